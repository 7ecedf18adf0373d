"""Outcomes, calls and refused replies know their dataset: what became of a history must say nothing of a quote.

What is stored is the quotes'. Only columns are added, so that workers of the version before go on during an update, and
no table is read or rewritten. A run keeps its key (run_id, symbol): the run of another dataset has a name of its own.
"""

from alembic import op

revision = "0007"
down_revision = "0006"

_TABLES = ("fetch_outcomes", "quarantine", "api_calls")


def upgrade() -> None:
    """Add the column, and let the index by symbol begin with it."""
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN dataset varchar(32) NOT NULL DEFAULT 'quotes'")
        op.execute(f"COMMENT ON COLUMN {table}.dataset IS 'What was asked for; quotes is all that there was at first.'")
    op.execute("CREATE INDEX fetch_outcomes_by_dataset ON fetch_outcomes (dataset, symbol, finished_at DESC)")
    op.execute("DROP INDEX fetch_outcomes_by_symbol")


def downgrade() -> None:
    """Forget which dataset it was, and what became of all but the quotes; each call counts still."""
    op.execute("DELETE FROM fetch_outcomes WHERE dataset <> 'quotes'")
    op.execute("DELETE FROM quarantine WHERE dataset <> 'quotes'")
    op.execute("CREATE INDEX fetch_outcomes_by_symbol ON fetch_outcomes (symbol, finished_at DESC)")
    for table in _TABLES:
        op.execute(f"ALTER TABLE {table} DROP COLUMN dataset")
