-- The provider changed a bar, or a quote, after its day was final.
-- severity: warning
-- looks at: sessions
-- threshold: a price by more than 1e-4, or the volume by more than 0.5 %
-- false positives: volumes that are reported late, and exchanges' own corrections. Not judged: what changed within 33
--   hours of the day's begin in UTC, when no bar is final yet.

-- name: restated
-- Reads   scope, prices.
SELECT
    prices.symbol, prices.session,
    prices.source || ': close ' || trim_scale(former.close_price) || ' and volume ' || former.volume || ' became '
    || trim_scale(prices.close_price) || ' and ' || prices.volume || ' after '
    || to_char(former.replaced_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
FROM (
    SELECT DISTINCT ON (source, symbol, session) *
    FROM (
        SELECT
            'bar' AS source, scope.symbol, session, replaced_at, open_price, high_price, low_price, close_price, volume
        FROM scope
        INNER JOIN bar_revisions
            ON bar_revisions.symbol = scope.symbol AND session BETWEEN scope.first AND scope.last
        UNION ALL
        SELECT
            'quote', scope.symbol, latest_trading_day, replaced_at, open_price, high_price, low_price, price, volume
        FROM scope
        INNER JOIN quote_revisions
            ON quote_revisions.symbol = scope.symbol AND latest_trading_day BETWEEN scope.first AND scope.last
    ) AS revision
    WHERE replaced_at >= (session + interval '33 hours') AT TIME ZONE 'UTC'
    ORDER BY source, symbol, session, replaced_at
) AS former
INNER JOIN prices
    ON (prices.source, prices.symbol, prices.session) = (former.source, former.symbol, former.session)
WHERE abs(prices.open_price - former.open_price) > 0.0001 * former.open_price
  OR abs(prices.high_price - former.high_price) > 0.0001 * former.high_price
  OR abs(prices.low_price - former.low_price) > 0.0001 * former.low_price
  OR abs(prices.close_price - former.close_price) > 0.0001 * former.close_price
  OR abs(prices.volume - former.volume) > 0.005 * former.volume;
