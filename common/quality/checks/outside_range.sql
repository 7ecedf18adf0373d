-- The open or the close of a bar or a quote lies outside of its low and high.
-- severity: error
-- looks at: sessions
-- threshold: 0.0001 beyond low or high, where shares were traded
-- false positives: a price without a trade, as of a fund or an indication: not judged, its volume is 0.

-- name: outside_range
-- Reads   prices.
SELECT
    symbol, session,
    source || ': open ' || trim_scale(open_price) || ' or close ' || trim_scale(close_price) || ' is outside of '
    || trim_scale(low_price) || ' to ' || trim_scale(high_price)
FROM prices
WHERE volume > 0 AND low_price <= high_price
  AND (
      least(open_price, close_price) < low_price - 0.0001 OR greatest(open_price, close_price) > high_price + 0.0001
  );
