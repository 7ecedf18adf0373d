"""The market's tables: quotes, daily bars, the ledger of outcomes, quarantine, and the ledger of calls.

Each CHECK bounds a number on both sides: PostgreSQL sorts NaN above Infinity above every number, so ``p > 0``
accepts both and ``p < 'Infinity'`` neither. Symbols sort by their bytes (COLLATE "C"), which every writer's lock
order relies on.
"""

from alembic import op

revision = "0001"
down_revision = None

STOCK_QUOTES = """
CREATE TABLE stock_quotes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    symbol varchar(32) COLLATE "C" NOT NULL,
    open_price numeric(20, 6) NOT NULL,
    high_price numeric(20, 6) NOT NULL,
    low_price numeric(20, 6) NOT NULL,
    price numeric(20, 6) NOT NULL,
    volume bigint NOT NULL,
    latest_trading_day date NOT NULL,
    previous_close numeric(20, 6) NOT NULL,
    change_amount numeric(20, 6) NOT NULL,
    change_percent numeric(20, 6) NOT NULL,
    data_timestamp timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT stock_quotes_key UNIQUE (symbol, latest_trading_day),
    CONSTRAINT stock_quotes_symbol CHECK (symbol ~ '^[A-Z0-9^][A-Z0-9.^=-]*$'),
    CONSTRAINT stock_quotes_price CHECK (price > 0 AND price < 'Infinity'),
    CONSTRAINT stock_quotes_range CHECK (
        low_price >= 0 AND low_price <= high_price AND high_price < 'Infinity'
        AND open_price >= 0 AND open_price < 'Infinity'
    ),
    CONSTRAINT stock_quotes_volume CHECK (volume >= 0),
    CONSTRAINT stock_quotes_change CHECK (
        previous_close >= 0 AND previous_close < 'Infinity'
        AND change_amount > '-Infinity' AND change_amount < 'Infinity'
        AND change_percent > '-Infinity' AND change_percent < 'Infinity'
    ),
    CONSTRAINT stock_quotes_times CHECK (isfinite(latest_trading_day) AND isfinite(data_timestamp))
);
CREATE INDEX stock_quotes_by_day ON stock_quotes (latest_trading_day);
COMMENT ON TABLE stock_quotes IS 'The latest quote of each symbol on each trading day; prices in the exchange''s unit.';
COMMENT ON COLUMN stock_quotes.change_percent IS 'In percent: -0.4761 is -0.4761 %.';
COMMENT ON COLUMN stock_quotes.data_timestamp IS 'When the reply with these values first arrived.';
"""

DAILY_BARS = """
CREATE TABLE daily_bars (
    symbol varchar(32) COLLATE "C" NOT NULL,
    session date NOT NULL,
    open_price numeric(20, 6) NOT NULL,
    high_price numeric(20, 6) NOT NULL,
    low_price numeric(20, 6) NOT NULL,
    close_price numeric(20, 6) NOT NULL,
    volume bigint NOT NULL,
    adjusted_close numeric(20, 6),
    dividend_amount numeric(20, 6),
    split_coefficient numeric(20, 6),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (symbol, session),
    CONSTRAINT daily_bars_symbol CHECK (symbol ~ '^[A-Z0-9^][A-Z0-9.^=-]*$'),
    CONSTRAINT daily_bars_session CHECK (isfinite(session)),
    CONSTRAINT daily_bars_range CHECK (
        low_price >= 0 AND low_price <= high_price AND high_price < 'Infinity'
        AND open_price >= 0 AND open_price < 'Infinity' AND close_price > 0 AND close_price < 'Infinity'
    ),
    CONSTRAINT daily_bars_volume CHECK (volume >= 0),
    CONSTRAINT daily_bars_adjusted CHECK (
        adjusted_close > '-Infinity' AND adjusted_close < 'Infinity'
        AND dividend_amount >= 0 AND dividend_amount < 'Infinity'
        AND split_coefficient > 0 AND split_coefficient < 'Infinity'
    )
);
COMMENT ON TABLE daily_bars IS 'One row a session and symbol, prices as traded; kept for ever.';
COMMENT ON COLUMN daily_bars.adjusted_close IS 'Null where the series that was asked for has no adjusted values.';
"""

FETCH_OUTCOMES = """
CREATE TABLE fetch_outcomes (
    run_id varchar(500) NOT NULL,
    symbol varchar(32) COLLATE "C" NOT NULL,
    status varchar(16) NOT NULL,
    reason varchar(64) NOT NULL DEFAULT '',
    detail varchar(2000) NOT NULL DEFAULT '',
    worker varchar(255) NOT NULL DEFAULT '',
    api_calls integer NOT NULL DEFAULT 0,
    earlier_calls integer NOT NULL DEFAULT 0,
    attempts integer NOT NULL DEFAULT 0,
    retry_at timestamptz,
    planned_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    PRIMARY KEY (run_id, symbol),
    CONSTRAINT fetch_outcomes_symbol CHECK (symbol ~ '^[A-Z0-9^][A-Z0-9.^=-]*$'),
    CONSTRAINT fetch_outcomes_status CHECK (
        status IN ('planned', 'stored', 'skipped', 'postponed', 'quarantined', 'failed')
    ),
    CONSTRAINT fetch_outcomes_finished CHECK ((finished_at IS NULL) = (status = 'planned')),
    CONSTRAINT fetch_outcomes_counts CHECK (attempts >= 0 AND earlier_calls >= 0 AND api_calls >= earlier_calls)
);
CREATE INDEX fetch_outcomes_by_symbol ON fetch_outcomes (symbol, finished_at DESC);
CREATE INDEX fetch_outcomes_by_age ON fetch_outcomes (planned_at);
COMMENT ON TABLE fetch_outcomes IS 'The ledger: what became of every symbol in every run.';
COMMENT ON COLUMN fetch_outcomes.attempts IS 'How often work on it was started.';
COMMENT ON COLUMN fetch_outcomes.api_calls IS 'Calls in all attempts; earlier_calls are those before the last attempt.';
"""

QUARANTINE = """
CREATE TABLE quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id varchar(500) NOT NULL,
    symbol varchar(32) COLLATE "C" NOT NULL,
    function varchar(64) NOT NULL,
    reason varchar(64) NOT NULL,
    message varchar(2000) NOT NULL,
    payload text NOT NULL,
    received_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    replayed_at timestamptz,
    CONSTRAINT quarantine_key UNIQUE (run_id, symbol, function, received_at),
    CONSTRAINT quarantine_symbol CHECK (symbol ~ '^[A-Z0-9^][A-Z0-9.^=-]*$'),
    CONSTRAINT quarantine_payload CHECK (octet_length(payload) <= 2097152)
);
CREATE INDEX quarantine_by_age ON quarantine (created_at);
COMMENT ON TABLE quarantine IS 'Replies that were refused, with the reason, the secrets in them blotted out.';
"""

API_CALLS = """
CREATE TABLE api_calls (
    permit_id varchar(128) PRIMARY KEY,
    key_digest varchar(128) NOT NULL,
    cost integer NOT NULL,
    symbol varchar(32) COLLATE "C",
    sent_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    CONSTRAINT api_calls_cost CHECK (cost > 0),
    CONSTRAINT api_calls_order CHECK (settled_at >= sent_at)
);
CREATE INDEX api_calls_by_key ON api_calls (key_digest, (coalesce(settled_at, sent_at)));
CREATE INDEX api_calls_by_age ON api_calls (sent_at);
COMMENT ON TABLE api_calls IS 'Calls of each key, by this server''s clock: the day''s quota is rebuilt from it.';
"""

# Default privileges give market_app every new table; which schema this is, only its owner may say.
RIGHTS = "REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM market_app"


def upgrade() -> None:
    """Create the tables."""
    for statements in (STOCK_QUOTES, DAILY_BARS, FETCH_OUTCOMES, QUARANTINE, API_CALLS, RIGHTS):
        op.execute(statements)


def downgrade() -> None:
    """Go back to nothing. Refused, because it would drop the data; a backup is the way back."""
    raise NotImplementedError("the first migration is not undone: restore a backup instead.")
