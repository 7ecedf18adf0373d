-- A dividend is a large part of the price: pence for pounds, or in the shares of another split.
-- severity: warning
-- looks at: sessions
-- threshold: over 25 % of the close before
-- false positives: special dividends, as when a company is sold off. What adjustment_finding tells of the day is not
--   told twice.

-- name: large_dividend
-- Reads   events.
SELECT
    symbol, session,
    'dividends of ' || trim_scale(dividend) || ' after a close of ' || trim_scale(close_before) || ' on '
    || session_before
FROM events
WHERE dividend > 0.25 * close_before
  AND NOT EXISTS (
      SELECT FROM adjustment_findings AS told
      WHERE told.symbol = events.symbol AND told.session = events.session AND told.code LIKE 'dividend%%'
  );
