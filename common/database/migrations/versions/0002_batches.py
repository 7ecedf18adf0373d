"""Which batch of a run a symbol belongs to, and its place in the run's plan.

A batch finds its symbols in the ledger, so that a mapped task carries a number and not a list.
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns, null where each symbol has a task of its own."""
    op.execute("""
        ALTER TABLE fetch_outcomes
            ADD COLUMN batch integer,
            ADD COLUMN place integer,
            ADD CONSTRAINT fetch_outcomes_batch CHECK (batch > 0 AND place >= 0);
        CREATE INDEX fetch_outcomes_by_batch ON fetch_outcomes (run_id, batch) WHERE batch IS NOT NULL;
        COMMENT ON COLUMN fetch_outcomes.batch IS 'The mapped task that works on it; null: it has one of its own.';
        COMMENT ON COLUMN fetch_outcomes.place IS 'Its place in the plan: the order in which the quota is spent.';
    """)


def downgrade() -> None:
    """Take the columns away; what became of each symbol stays."""
    op.execute("ALTER TABLE fetch_outcomes DROP COLUMN batch, DROP COLUMN place")
