"""What a run left open is found at once, however long the ledger is."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Index the lines that have no outcome yet: those of the run at work, and what an ended one left."""
    op.execute("CREATE INDEX fetch_outcomes_open ON fetch_outcomes (run_id) WHERE status = 'planned'")


def downgrade() -> None:
    """Drop the index."""
    op.execute("DROP INDEX fetch_outcomes_open")
