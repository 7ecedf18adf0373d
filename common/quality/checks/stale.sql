-- The newest bar or quote of a symbol is so far behind that it only looks fresh.
-- severity: warning
-- looks at: symbol
-- threshold: three sessions of its exchange
-- false positives: a share that is halted or hardly traded. Not judged: what the last list of companies has as
--   delisted, and unknown suffixes.

-- name: stale
-- Reads   scope.
SELECT
    newest.symbol, newest.session,
    'the newest ' || string_agg(newest.source, ' and ' ORDER BY newest.source) || ' is of ' || newest.session
    || ', three sessions of ' || newest.exchange || ' or more behind'
FROM (
    SELECT
        scope.symbol, scope.exchange, scope.stale_before, 'bar' AS source,
        (SELECT max(session) FROM daily_bars WHERE daily_bars.symbol = scope.symbol) AS session
    FROM scope
    UNION ALL
    SELECT
        scope.symbol, scope.exchange, scope.stale_before, 'quote',
        (SELECT max(latest_trading_day) FROM stock_quotes WHERE stock_quotes.symbol = scope.symbol)
    FROM scope
) AS newest
WHERE newest.session < newest.stale_before
  AND NOT EXISTS (
      SELECT FROM listings
      WHERE listings.symbol = newest.symbol AND listings.unlisted_at IS NULL
      HAVING bool_and(listings.status = 'Delisted')
  )
GROUP BY newest.symbol, newest.session, newest.exchange;
