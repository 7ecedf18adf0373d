"""What was told to whom, so that nothing is told twice and nothing is lost while a server is away."""

from alembic import op

revision = "0022"
down_revision = "0021"

TABLE = """
CREATE TABLE notifications (
    event text COLLATE "C" NOT NULL,
    address text COLLATE "C" NOT NULL,
    message_id uuid NOT NULL,
    topic text NOT NULL,
    kind text NOT NULL DEFAULT 'alert',
    title text NOT NULL DEFAULT '',
    body text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    tries integer NOT NULL DEFAULT 0,
    leased_until timestamptz,
    sent_at timestamptz,
    lost_at timestamptz,
    error text NOT NULL DEFAULT '',
    PRIMARY KEY (event, address)
);
CREATE INDEX notifications_by_age ON notifications (created_at);
COMMENT ON TABLE notifications IS 'Messages to people: what was told to whom, and what waits to be sent.';
"""

COLUMNS = {
    "event": "What happened, told to an address once: a run and what became of it, or an alert and its state.",
    "address": "To whom: scheme and host of the address, and four digits of its digest.",
    "message_id": "The message that tells it; one may tell of several events.",
    "topic": "What the messages belong to that are about the same thing: a feed, or alerts.",
    "kind": "failed, recovered, late, quota, stale or alert.",
    "title": "The first line of the message, without a secret.",
    "body": "The text of the message, without a secret.",
    "created_at": "When it was made.",
    "tries": "How often it was tried to send it.",
    "leased_until": "Until when it belongs to the process that is sending it; null: to nobody.",
    "sent_at": "When the address took it; null: not yet.",
    "lost_at": "When it was given up, not sent.",
    "error": "Why the last try failed.",
}


def upgrade() -> None:
    """Create the table."""
    op.execute(TABLE)
    for column, meaning in COLUMNS.items():
        op.execute(f"COMMENT ON COLUMN notifications.{column} IS '{meaning}'")


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE notifications")
