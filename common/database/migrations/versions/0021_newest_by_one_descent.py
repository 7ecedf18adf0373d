"""latest_quotes finds each symbol and its newest quote by one descent of the key, and no longer by two.

Only the view's text changes; its columns, their comments and the rights to it stay.
"""

from alembic import op

revision = "0021"
down_revision = "0020"

# Backwards, the first entry before a symbol is the newest one of the symbol before it. There is no table of symbols.
LATEST_QUOTES = """
CREATE OR REPLACE VIEW latest_quotes AS
WITH RECURSIVE newest AS (
    (SELECT * FROM stock_quotes ORDER BY symbol DESC, latest_trading_day DESC LIMIT 1)
    UNION ALL
    SELECT before.*
    FROM newest
    CROSS JOIN LATERAL (
        SELECT * FROM stock_quotes WHERE symbol < newest.symbol ORDER BY symbol DESC, latest_trading_day DESC LIMIT 1
    ) AS before
)
SELECT
    symbol, open_price, high_price, low_price, price, volume, latest_trading_day, previous_close, change_amount,
    change_percent, data_timestamp
FROM newest
"""

LATEST_QUOTES_BEFORE = """
CREATE OR REPLACE VIEW latest_quotes AS
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
) AS newest
"""


def upgrade() -> None:
    """Replace the view's query."""
    op.execute(LATEST_QUOTES)


def downgrade() -> None:
    """Let it descend twice again."""
    op.execute(LATEST_QUOTES_BEFORE)
