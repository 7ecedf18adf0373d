-- revision: the schema's revision. The table exists from the first migration on.
SELECT version_num FROM public.alembic_version;
