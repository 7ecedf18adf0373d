"""The reply that restated a bar is found by one descent of an index, and no longer among all replies of the symbol.

Only an index is added, and a comment mended. While it is made, replies are not kept: a second for half a million.
"""

from alembic import op

revision = "0025"
down_revision = "0024"

# What the trigger of migration 0014 asks of each bar: its LIKE is this one.
INDEX = """
CREATE INDEX raw_replies_newest_series ON raw_replies (symbol, last_seen_at)
WHERE function LIKE 'TIME_SERIES_DAILY%'
"""
COMMENT = "COMMENT ON COLUMN missing_sessions.symbols IS 'How many have bars before and after it.'"
COMMENT_BEFORE = (
    "COMMENT ON COLUMN missing_sessions.symbols IS 'How many were looked at that have bars before and after it.'"
)


def upgrade() -> None:
    """Create the index."""
    op.execute(INDEX)
    op.execute(COMMENT)


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP INDEX raw_replies_newest_series")
    op.execute(COMMENT_BEFORE)
