"""Adjusted prices: factors in segments, and views that multiply the bars by them. No bar is read, or written.

``python -m common.migrate`` computes the factors of the symbols that have none, once the tables are there.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

ADJUSTMENT_FACTORS = r"""
CREATE TABLE adjustment_factors (
    symbol varchar(32) COLLATE "C" NOT NULL,
    valid_from date NOT NULL,
    valid_before date NOT NULL,
    split_factor numeric(38, 20) NOT NULL,
    total_factor numeric(38, 20) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (symbol, valid_from),
    CONSTRAINT adjustment_factors_symbol CHECK (
        symbol ~ '^[A-Z0-9.^$*#&-][-A-Z0-9.^=/&$+*'':()#~%!@]*$' AND symbol ~ '[A-Z0-9]'
    ),
    CONSTRAINT adjustment_factors_dates CHECK (valid_from < valid_before),
    CONSTRAINT adjustment_factors_factors CHECK (
        split_factor > 0 AND split_factor < 'Infinity' AND total_factor > 0 AND total_factor < 'Infinity'
    )
);
COMMENT ON TABLE adjustment_factors IS
    'What a price as traded is multiplied by: for each symbol segments without a gap, the last one 1 up to infinity.';
COMMENT ON COLUMN adjustment_factors.valid_before IS 'The first session that the segment does not hold.';
COMMENT ON COLUMN adjustment_factors.split_factor IS 'For splits only; a volume is divided by it.';
COMMENT ON COLUMN adjustment_factors.total_factor IS 'For splits and dividends.';
"""

ADJUSTMENT_FINDINGS = """
CREATE TABLE adjustment_findings (
    symbol varchar(32) COLLATE "C" NOT NULL,
    session date NOT NULL,
    code varchar(64) NOT NULL,
    message varchar(2000) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (symbol, session, code)
);
COMMENT ON TABLE adjustment_findings IS 'Splits and dividends that a person should look at; nothing was repaired.';
"""

# For each segment a range of the bars' key. GROUP BY that key changes no row, but keeps the planner from joining the
# other way round, a segment for each bar, which it takes for cheaper and which is ten times as slow; conditions on the
# session still reach the key.
BARS_OF_SEGMENT = """
FROM adjustment_factors AS segment
CROSS JOIN LATERAL (
    SELECT session, open_price, high_price, low_price, close_price, volume
    FROM daily_bars
    WHERE symbol = segment.symbol AND session >= segment.valid_from AND session < segment.valid_before
    GROUP BY symbol, session
) AS bar
"""

SPLIT_ADJUSTED_BARS = f"""
CREATE VIEW split_adjusted_bars AS
SELECT
    segment.symbol,
    bar.session,
    round(bar.open_price * segment.split_factor, 10) AS open_price,
    round(bar.high_price * segment.split_factor, 10) AS high_price,
    round(bar.low_price * segment.split_factor, 10) AS low_price,
    round(bar.close_price * segment.split_factor, 10) AS close_price,
    round(bar.volume / segment.split_factor) AS volume,
    segment.split_factor AS factor
{BARS_OF_SEGMENT};
COMMENT ON VIEW split_adjusted_bars IS 'Daily bars in the shares of today: prices and volumes adjusted for splits.';
"""

TOTAL_RETURN_BARS = f"""
CREATE VIEW total_return_bars AS
SELECT
    segment.symbol,
    bar.session,
    round(bar.open_price * segment.total_factor, 10) AS open_price,
    round(bar.high_price * segment.total_factor, 10) AS high_price,
    round(bar.low_price * segment.total_factor, 10) AS low_price,
    round(bar.close_price * segment.total_factor, 10) AS close_price,
    round(bar.volume / segment.split_factor) AS volume,
    segment.total_factor AS factor
{BARS_OF_SEGMENT};
COMMENT ON VIEW total_return_bars IS
    'Daily bars as if each dividend had been put back into the share; volumes adjusted for splits.';
"""


def upgrade() -> None:
    """Create both tables and both views; the roles' default privileges hold for views too."""
    for statement in (ADJUSTMENT_FACTORS, ADJUSTMENT_FINDINGS, SPLIT_ADJUSTED_BARS, TOTAL_RETURN_BARS):
        op.execute(statement)


def downgrade() -> None:
    """Drop them: all is computed from bars and actions."""
    op.execute("DROP VIEW split_adjusted_bars, total_return_bars")
    op.execute("DROP TABLE adjustment_factors, adjustment_findings")
