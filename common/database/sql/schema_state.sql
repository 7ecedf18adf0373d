-- schema_state: the server's version, and whether Alembic's table is there to be asked for the revision.
SELECT current_setting('server_version'), to_regclass('public.alembic_version') IS NOT NULL;
