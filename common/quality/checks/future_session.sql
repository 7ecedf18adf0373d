-- A bar or a quote is of a day that had not come when it was stored.
-- severity: error
-- looks at: sessions
-- threshold: later than the day after it was stored, in UTC
-- false positives: none: no place on Earth is more than a day ahead of UTC.

-- name: future_session
-- Reads   prices.
SELECT symbol, session, source || ': stored on ' || stored_on || ' for a day that had not come'
FROM prices
WHERE session > stored_on + 1;
