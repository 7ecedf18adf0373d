"""Alembic's entry: run the steps on the connection, and in the transaction, that ``common.migrate`` opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], version_table_schema="public")
context.run_migrations()
