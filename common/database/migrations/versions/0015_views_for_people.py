"""Views for people: the newest quote of each symbol, and the bars as traded."""

from alembic import op

revision = "0015"
down_revision = "0014"

# DISTINCT ON would read every row to keep one in ninety. There is no table of symbols: the recursion finds the next
# one by one step down the key.
LATEST_QUOTES = """
CREATE VIEW latest_quotes AS
WITH RECURSIVE stored (symbol) AS (
    (SELECT symbol FROM stock_quotes ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT following.symbol
    FROM stored
    CROSS JOIN LATERAL (
        SELECT symbol FROM stock_quotes WHERE symbol > stored.symbol ORDER BY symbol LIMIT 1
    ) AS following
)
SELECT
    stored.symbol, newest.open_price, newest.high_price, newest.low_price, newest.price, newest.volume,
    newest.latest_trading_day, newest.previous_close, newest.change_amount, newest.change_percent,
    newest.data_timestamp
FROM stored
CROSS JOIN LATERAL (
    SELECT * FROM stock_quotes WHERE symbol = stored.symbol ORDER BY latest_trading_day DESC LIMIT 1
) AS newest;
COMMENT ON VIEW latest_quotes IS 'The newest stored quote of each symbol, whatever day it is of.';
"""

PRICE_HISTORY = """
CREATE VIEW price_history AS
SELECT symbol, session, open_price, high_price, low_price, close_price, volume FROM daily_bars;
COMMENT ON VIEW price_history IS 'Daily bars as they were traded, adjusted for nothing.';
"""


def upgrade() -> None:
    """Create both; the roles' default privileges hold for views too."""
    op.execute(LATEST_QUOTES)
    op.execute(PRICE_HISTORY)


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP VIEW latest_quotes, price_history")
