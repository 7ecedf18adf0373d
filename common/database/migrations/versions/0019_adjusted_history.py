"""One view with each session's close as traded, adjusted for splits, and with dividends put back, side by side.

Only a view is added, so that workers of the version before go on during an update.
"""

from alembic import op

revision = "0019"
down_revision = "0018"

# GROUP BY the bars' key changes no row, but lets the segments drive, as in the views of migration 0013.
ADJUSTED_HISTORY = """
CREATE VIEW adjusted_history AS
SELECT
    segment.symbol,
    bar.session,
    bar.close_price,
    round(bar.close_price * segment.split_factor, 10) AS split_adjusted_close,
    round(bar.close_price * segment.total_factor, 10) AS total_return_close,
    bar.volume,
    round(bar.volume / segment.split_factor) AS split_adjusted_volume,
    segment.split_factor,
    segment.total_factor
FROM adjustment_factors AS segment
CROSS JOIN LATERAL (
    SELECT session, close_price, volume
    FROM daily_bars
    WHERE symbol = segment.symbol AND session >= segment.valid_from AND session < segment.valid_before
    GROUP BY symbol, session
) AS bar;
COMMENT ON VIEW adjusted_history IS 'Each close as traded, adjusted for splits, and with dividends put back as well.';
COMMENT ON COLUMN adjusted_history.symbol IS 'The ticker as the provider writes it, such as IBM or TSCO.LON.';
COMMENT ON COLUMN adjusted_history.session IS 'The trading day, a date of the exchange.';
COMMENT ON COLUMN adjusted_history.close_price IS
    'The last price of the session as it was traded, in the exchange''s unit (pence in London).';
COMMENT ON COLUMN adjusted_history.split_adjusted_close IS 'close_price in the shares of today: for charts.';
COMMENT ON COLUMN adjusted_history.total_return_close IS
    'close_price with splits and dividends put back: for returns; only ratios of it mean something.';
COMMENT ON COLUMN adjusted_history.volume IS 'Shares traded in the session, as they were counted then.';
COMMENT ON COLUMN adjusted_history.split_adjusted_volume IS 'volume in the shares of today.';
COMMENT ON COLUMN adjusted_history.split_factor IS
    'What close_price was multiplied by for split_adjusted_close; a volume is divided by it.';
COMMENT ON COLUMN adjusted_history.total_factor IS 'What close_price was multiplied by for total_return_close.';
"""


def upgrade() -> None:
    """Create it; the roles' default privileges hold for views too."""
    op.execute(ADJUSTED_HISTORY)


def downgrade() -> None:
    """Drop it: all is computed from bars and actions."""
    op.execute("DROP VIEW adjusted_history")
