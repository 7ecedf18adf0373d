"""Every symbol that gets a call belongs to a batch: where each has a mapped task of its own, to a batch of one."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Say what the column holds."""
    op.execute("""
        COMMENT ON COLUMN fetch_outcomes.batch IS 'The mapped task that works on it, from 1 on; null: none does.'
    """)


def downgrade() -> None:
    """Say what it held."""
    op.execute("""
        COMMENT ON COLUMN fetch_outcomes.batch IS 'The mapped task that works on it; null: it has one of its own.'
    """)
