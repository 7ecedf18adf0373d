"""An index that tells when a symbol of a dataset was last found up to date: the exporter asks at every scrape."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Index what was stored, or was stored already."""
    op.execute("""
        CREATE INDEX fetch_outcomes_successes ON fetch_outcomes (dataset, finished_at)
        WHERE status IN ('stored', 'skipped')
    """)


def downgrade() -> None:
    """Drop the index."""
    op.execute("DROP INDEX fetch_outcomes_successes")
