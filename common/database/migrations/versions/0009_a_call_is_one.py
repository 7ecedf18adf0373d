"""Each call is one of the quota, whatever it asks for, so nothing writes api_calls.cost any more.

The column stays, as 1: a worker of the version before goes on writing it while the others are replaced. It can be
dropped once no such worker is left, so in a version after this one.
"""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Let the column fill itself."""
    op.execute("ALTER TABLE api_calls ALTER COLUMN cost SET DEFAULT 1")
    op.execute("COMMENT ON COLUMN api_calls.cost IS 'Always 1, and read by nothing: to be dropped.'")


def downgrade() -> None:
    """Leave it to the workers again."""
    op.execute("COMMENT ON COLUMN api_calls.cost IS NULL")
    op.execute("ALTER TABLE api_calls ALTER COLUMN cost DROP DEFAULT")
