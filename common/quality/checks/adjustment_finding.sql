-- The computation of adjusted prices met a split or a dividend that a person should look at.
-- severity: warning
-- looks at: symbol
-- threshold: those of docs/adjusted-prices.md
-- false positives: spin_off?: a company that was really split 523 for 500. Not told: split_and_dividend, which is how
--   the days are counted, and no fault.

-- name: adjustment_finding
-- Reads   scope.
SELECT scope.symbol, told.session, string_agg(told.code || ': ' || told.message, '; ' ORDER BY told.code)
FROM scope
INNER JOIN adjustment_findings AS told ON told.symbol = scope.symbol
WHERE told.code <> 'split_and_dividend'
GROUP BY scope.symbol, told.session;
