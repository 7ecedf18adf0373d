-- latest_sessions: the newest stored trading day of each symbol that has one.
-- Takes   symbols: a JSON array of strings, each once.
-- One descent of the index for each symbol, whatever the table's size.
SELECT asked.symbol, newest.latest_trading_day
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT latest_trading_day FROM stock_quotes
    WHERE stock_quotes.symbol = asked.symbol COLLATE "C"
    ORDER BY latest_trading_day DESC LIMIT 1
) AS newest;
