-- The schema's state, and the rights of the roles.

-- name: schema_state
-- The server's version, and whether Alembic's table is there to be asked for the revision.
SELECT current_setting('server_version'), to_regclass('public.alembic_version') IS NOT NULL;

-- name: revision
-- The schema's revision. The table exists from the first migration on.
SELECT version_num FROM public.alembic_version;

-- name: grant_market
-- Who may do what in a market database, now and after later migrations.
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

-- name: grant_monitor
-- Let the exporter's role into a database, and see the server's sessions; it changes nothing.
-- Takes   identifiers {database}, {monitor}. Run in that database by a superuser.
GRANT pg_monitor TO {monitor};
GRANT CONNECT ON DATABASE {database} TO {monitor};
GRANT USAGE ON SCHEMA public TO {monitor};
ALTER ROLE {monitor} CONNECTION LIMIT 8;
ALTER ROLE {monitor} IN DATABASE {database} SET default_transaction_read_only = on;

-- name: grant_monitor_market
-- Let the exporter's role read the tables of a market database, those that are there and those of later migrations.
-- Takes   identifiers {owner}, {monitor}. Run in that database by a superuser.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {monitor};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public GRANT SELECT ON TABLES TO {monitor};
