"""Of a refused reply quarantine knows when a replay stored rows of it: an older reply is then not stored over them.

Only a column is added, so that workers of the version before go on during an update.
"""

from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the column."""
    op.execute("ALTER TABLE quarantine ADD COLUMN stored_at timestamptz")
    op.execute("COMMENT ON COLUMN quarantine.stored_at IS 'When a replay last stored rows of it, some or all.'")
    op.execute("COMMENT ON COLUMN quarantine.replayed_at IS 'When a replay left nothing of it refused.'")


def downgrade() -> None:
    """Forget it."""
    op.execute("ALTER TABLE quarantine DROP COLUMN stored_at")
    op.execute("COMMENT ON COLUMN quarantine.replayed_at IS NULL")
