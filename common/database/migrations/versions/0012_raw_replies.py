"""What the provider said is kept as it was received; quarantine points at it, and is no longer where a reply is cut.

Only columns and a table are added, so that workers of the version before go on during an update. A refused reply that
stands in ``quarantine`` already keeps its payload there.
"""

from alembic import op

revision = "0012"
down_revision = "0011"

# A btree entry holds 2,704 bytes, and a bulk request's params can be longer: so the key has their hash.
# The body is compressed by whoever writes it; PostgreSQL would only try to do so again.
RAW_REPLIES = """
CREATE TABLE raw_replies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset varchar(32) NOT NULL,
    function varchar(64) NOT NULL,
    params jsonb NOT NULL,
    symbol varchar(32) COLLATE "C",
    received_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    sha256 bytea NOT NULL,
    size integer NOT NULL,
    body bytea NOT NULL,
    CONSTRAINT raw_replies_sha256 CHECK (octet_length(sha256) = 32),
    CONSTRAINT raw_replies_order CHECK (last_seen_at >= received_at)
);
ALTER TABLE raw_replies ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX raw_replies_key ON raw_replies (function, (jsonb_hash_extended(params, 0)), sha256);
CREATE INDEX raw_replies_by_symbol ON raw_replies (symbol, received_at DESC);
CREATE INDEX raw_replies_by_age ON raw_replies (last_seen_at);
COMMENT ON TABLE raw_replies IS 'What the provider said, its secrets redacted, before it was judged; kept for a while.';
COMMENT ON COLUMN raw_replies.params IS 'What was asked of the function, without the key.';
COMMENT ON COLUMN raw_replies.symbol IS 'Null where the request was not for one symbol.';
COMMENT ON COLUMN raw_replies.received_at IS 'When these bytes first came as the answer to this request.';
COMMENT ON COLUMN raw_replies.last_seen_at IS 'When they last came.';
COMMENT ON COLUMN raw_replies.sha256 IS 'Of the redacted text in UTF-8, as size is its length in bytes.';
COMMENT ON COLUMN raw_replies.body IS 'The redacted text in UTF-8, as a zlib stream (RFC 1950).';
"""

QUARANTINE = """
ALTER TABLE quarantine ADD COLUMN reply_id bigint REFERENCES raw_replies (id);
ALTER TABLE quarantine DROP CONSTRAINT quarantine_payload;
CREATE INDEX quarantine_by_reply ON quarantine (reply_id) WHERE reply_id IS NOT NULL;
COMMENT ON COLUMN quarantine.reply_id IS 'Where the reply is kept; null: it is kept in payload alone.';
COMMENT ON COLUMN quarantine.payload IS 'The reply, whole; with reply_id only how it begins.';
"""


def upgrade() -> None:
    """Create the table, and let quarantine point at it."""
    op.execute(RAW_REPLIES)
    op.execute(QUARANTINE)


def downgrade() -> None:
    """Drop it; of a refused reply quarantine then has what it shows."""
    op.execute("ALTER TABLE quarantine DROP COLUMN reply_id")
    op.execute(
        "ALTER TABLE quarantine ADD CONSTRAINT quarantine_payload CHECK (octet_length(payload) <= 2097152) NOT VALID"
    )
    op.execute("DROP TABLE raw_replies")
