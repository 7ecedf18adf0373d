-- newest_quotes: the newest quote of each symbol, by symbol.
-- Takes   symbols: an array, or null for every symbol there is; row_limit.
SELECT DISTINCT ON (symbol)
    symbol, open_price, high_price, low_price, price, volume, latest_trading_day,
    previous_close, change_amount, change_percent, data_timestamp
FROM stock_quotes
WHERE %(symbols)s::text[] IS NULL OR symbol = ANY (%(symbols)s::text[])
ORDER BY symbol, latest_trading_day DESC
LIMIT %(row_limit)s;
