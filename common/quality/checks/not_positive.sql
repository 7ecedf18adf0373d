-- A price is zero or less.
-- severity: error
-- looks at: sessions
-- threshold: a close of 0, or another price of 0 where shares were traded
-- false positives: a session without a trade, whose open, high and low are written as 0: not judged, its volume is 0.

-- name: not_positive
-- Reads   prices.
SELECT
    symbol, session,
    source || ': open ' || trim_scale(open_price) || ', high ' || trim_scale(high_price) || ', low '
    || trim_scale(low_price) || ', close ' || trim_scale(close_price) || ' with a volume of ' || volume
FROM prices
WHERE close_price <= 0 OR (volume > 0 AND least(open_price, high_price, low_price) <= 0);
