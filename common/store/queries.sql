-- Reads of quotes and bars, and the lock of a symbol's lists.

-- name: newest_quotes
-- The newest quote of every symbol that has one, by symbol.
-- Takes   row_limit.
SELECT
    symbol, open_price, high_price, low_price, price, volume, latest_trading_day,
    previous_close, change_amount, change_percent, data_timestamp
FROM latest_quotes
ORDER BY symbol
LIMIT %(row_limit)s;

-- name: newest_quotes_of
-- The newest quote of each of the symbols, by symbol.
-- Takes   symbols: a JSON array of strings, each once; row_limit.
SELECT
    newest.symbol, newest.open_price, newest.high_price, newest.low_price, newest.price, newest.volume,
    newest.latest_trading_day, newest.previous_close, newest.change_amount, newest.change_percent,
    newest.data_timestamp
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT * FROM stock_quotes
    WHERE stock_quotes.symbol = asked.symbol COLLATE "C"
    ORDER BY latest_trading_day DESC LIMIT 1
) AS newest
ORDER BY newest.symbol
LIMIT %(row_limit)s;

-- name: unexplained_jumps
-- Symbols whose close has lately jumped as in a split, without one that is stored, and when the last such bar arrived.
-- Takes   symbols: a JSON array of strings, each once.
-- Of the last 20 sessions; the bounds let pass what a bad day does to a share, and catch splits from 3:2 on.
SELECT asked.symbol, max(step.created_at) AS seen_at
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT
        session, created_at, close_price,
        lag(session) OVER by_session AS session_before, lag(close_price) OVER by_session AS close_before
    FROM (
        SELECT session, created_at, close_price FROM daily_bars
        WHERE daily_bars.symbol = asked.symbol COLLATE "C"
        ORDER BY session DESC LIMIT 21
    ) AS recent
    WINDOW by_session AS (ORDER BY session)
) AS step
WHERE step.close_before > 0 AND step.close_price / step.close_before NOT BETWEEN 0.67 AND 1.5
  AND NOT EXISTS (
      SELECT FROM corporate_actions AS action
      WHERE action.symbol = asked.symbol COLLATE "C" AND action.kind = 'split' AND action.withdrawn_at IS NULL
        AND action.ex_date > step.session_before AND action.ex_date <= step.session
  )
GROUP BY asked.symbol;

-- name: lock_lists
-- Let nobody else store a whole list of these symbols until this transaction ends.
-- Takes   symbols: an array.
-- In the order of the locks: two writers take them in one order and cannot deadlock.
SELECT pg_advisory_xact_lock(lock)
FROM (
    SELECT hashtextextended('lists of ' || symbol, 0) AS lock FROM unnest(%(symbols)s) AS symbol ORDER BY lock
) AS locks;
