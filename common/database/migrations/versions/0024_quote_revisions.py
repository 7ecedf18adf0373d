"""What a restated quote was before: a trigger keeps the former values of a day that was over, with the reply.

Only a table, a trigger and a function are added; workers of the version before keep revisions from then on as well.
"""

from alembic import op

revision = "0024"
down_revision = "0023"

QUOTE_REVISIONS = """
CREATE TABLE quote_revisions (
    symbol varchar(32) COLLATE "C" NOT NULL,
    latest_trading_day date NOT NULL,
    stored_at timestamptz NOT NULL,
    replaced_at timestamptz NOT NULL,
    open_price numeric(20, 6) NOT NULL,
    high_price numeric(20, 6) NOT NULL,
    low_price numeric(20, 6) NOT NULL,
    price numeric(20, 6) NOT NULL,
    volume bigint NOT NULL,
    previous_close numeric(20, 6) NOT NULL,
    change_amount numeric(20, 6) NOT NULL,
    change_percent numeric(20, 6) NOT NULL,
    data_timestamp timestamptz NOT NULL,
    reply_id bigint,
    PRIMARY KEY (symbol, latest_trading_day, replaced_at)
);
CREATE INDEX quote_revisions_by_day ON quote_revisions (latest_trading_day);
COMMENT ON TABLE quote_revisions IS
    'The values that a quote of a day that was over had until the provider restated it.';
COMMENT ON COLUMN quote_revisions.symbol IS 'The ticker as the provider writes it, such as IBM or TSCO.LON.';
COMMENT ON COLUMN quote_revisions.latest_trading_day IS 'The trading day of the quote, a date of the exchange.';
COMMENT ON COLUMN quote_revisions.stored_at IS 'Since when the quote had these values.';
COMMENT ON COLUMN quote_revisions.replaced_at IS 'Until when it had them.';
COMMENT ON COLUMN quote_revisions.open_price IS 'The first price of the session, in the exchange''s unit.';
COMMENT ON COLUMN quote_revisions.high_price IS 'The highest price of the session, in the exchange''s unit.';
COMMENT ON COLUMN quote_revisions.low_price IS 'The lowest price of the session, in the exchange''s unit.';
COMMENT ON COLUMN quote_revisions.price IS 'The last price, in the exchange''s unit.';
COMMENT ON COLUMN quote_revisions.volume IS 'Shares traded in the session.';
COMMENT ON COLUMN quote_revisions.previous_close IS 'The close of the session before, in the exchange''s unit.';
COMMENT ON COLUMN quote_revisions.change_amount IS 'price less previous_close, as the provider said it.';
COMMENT ON COLUMN quote_revisions.change_percent IS 'In percent: -0.4761 is -0.4761 %.';
COMMENT ON COLUMN quote_revisions.data_timestamp IS 'When the reply with these values first arrived.';
COMMENT ON COLUMN quote_revisions.reply_id IS
    'The reply in raw_replies that replaced them; null: none was kept. That may be deleted before this row.';
"""

# A quote moves all day long: what replaces the values of a running session restates nothing. At 21:00 UTC every
# exchange that the provider has is closed, New York in winter last. The time of the replacing reply finds that reply.
KEEP_QUOTE_REVISION = """
CREATE FUNCTION keep_quote_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quote_revisions (
        symbol, latest_trading_day, stored_at, replaced_at, open_price, high_price, low_price, price, volume,
        previous_close, change_amount, change_percent, data_timestamp, reply_id
    )
    SELECT
        old.symbol, old.latest_trading_day, old.updated_at, clock_timestamp(), old.open_price, old.high_price,
        old.low_price, old.price, old.volume, old.previous_close, old.change_amount, old.change_percent,
        old.data_timestamp,
        coalesce(
            (
                SELECT min(reply.id) FROM raw_replies AS reply
                WHERE reply.last_seen_at = new.data_timestamp AND (reply.symbol = new.symbol OR reply.symbol IS NULL)
            ),
            (
                SELECT min(reply.id) FROM raw_replies AS reply
                WHERE reply.symbol = new.symbol AND reply.received_at = new.data_timestamp
            )
        );
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_quote_revision AFTER UPDATE ON stock_quotes FOR EACH ROW
WHEN (
    old.data_timestamp >= (old.latest_trading_day + interval '21 hours') AT TIME ZONE 'UTC'
    AND (
        old.open_price, old.high_price, old.low_price, old.price, old.volume, old.previous_close, old.change_amount,
        old.change_percent
    ) IS DISTINCT FROM (
        new.open_price, new.high_price, new.low_price, new.price, new.volume, new.previous_close, new.change_amount,
        new.change_percent
    )
)
EXECUTE FUNCTION keep_quote_revision();
"""

# A row type and no list of columns: so the symbol keeps the collation that the keys have.
LATEST_QUOTES_AS_OF = """
CREATE FUNCTION latest_quotes_as_of(at timestamptz) RETURNS SETOF quote_revisions LANGUAGE sql STABLE AS $$
    SELECT known.*
    FROM latest_quotes AS stored
    CROSS JOIN LATERAL (
        (
            SELECT
                quote.symbol, quote.latest_trading_day, quote.updated_at, NULL::timestamptz AS replaced_at,
                quote.open_price, quote.high_price, quote.low_price, quote.price, quote.volume, quote.previous_close,
                quote.change_amount, quote.change_percent, quote.data_timestamp, NULL::bigint
            FROM stock_quotes AS quote
            WHERE quote.symbol = stored.symbol AND quote.updated_at <= at
            ORDER BY quote.latest_trading_day DESC LIMIT 1
        )
        UNION ALL
        (
            SELECT * FROM quote_revisions AS revision
            WHERE revision.symbol = stored.symbol AND revision.stored_at <= at AND revision.replaced_at > at
            ORDER BY revision.latest_trading_day DESC, revision.replaced_at LIMIT 1
        )
        ORDER BY latest_trading_day DESC, replaced_at LIMIT 1
    ) AS known
$$;
COMMENT ON FUNCTION latest_quotes_as_of IS
    'The newest quote of each symbol as it stood at that time; replaced_at says until when, null: it stands so still.';
"""

RIGHTS = "REVOKE UPDATE ON quote_revisions FROM market_app"


def upgrade() -> None:
    """Create them; workers add revisions, delete what is too old, and change none."""
    for statement in (QUOTE_REVISIONS, KEEP_QUOTE_REVISION, LATEST_QUOTES_AS_OF, RIGHTS):
        op.execute(statement)


def downgrade() -> None:
    """Drop them, and with them the former values."""
    op.execute("DROP FUNCTION latest_quotes_as_of")
    op.execute("DROP TRIGGER keep_quote_revision ON stock_quotes")
    op.execute("DROP FUNCTION keep_quote_revision")
    op.execute("DROP TABLE quote_revisions")
