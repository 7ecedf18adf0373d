"""Old revisions of quotes can be deleted: a step locks its rows first, and may only if it may change a column of them.

Without it clean_up failed in each run. Only a right is added.
"""

from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Give the right on the one column that says nothing of a price."""
    op.execute("GRANT UPDATE (reply_id) ON quote_revisions TO market_app")


def downgrade() -> None:
    """Take it away."""
    op.execute("REVOKE UPDATE (reply_id) ON quote_revisions FROM market_app")
