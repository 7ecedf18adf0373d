-- grant_market: who may do what in a market database, now and after later migrations.
-- Takes   identifiers {database}, {owner}, {app}, {reader}. Run in that database by a superuser.
REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO {app}, {reader};
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO {owner};
GRANT USAGE ON SCHEMA public TO {app}, {reader};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {app};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public
GRANT SELECT ON TABLES TO {reader};
ALTER ROLE {reader} IN DATABASE {database} SET default_transaction_read_only = on;
ALTER ROLE {reader} IN DATABASE {database} SET statement_timeout = '30s';
