-- A split's ratio, or a factor of the adjusted prices, is zero or less.
-- severity: error
-- looks at: symbol
-- threshold: factor <= 0
-- false positives: none. The tables refuse such a row too; this finds what a changed or restored database holds.

-- name: factor_not_positive
-- Reads   scope.
SELECT
    scope.symbol, greatest(segment.valid_from, date '1900-01-01'),
    'factors from ' || segment.valid_from || ' on: ' || segment.split_factor || ', ' || segment.total_factor
FROM scope
INNER JOIN adjustment_factors AS segment ON segment.symbol = scope.symbol
WHERE segment.split_factor <= 0 OR segment.total_factor <= 0
UNION ALL
SELECT scope.symbol, action.ex_date, 'a split of ' || action.numerator || ' for ' || action.denominator
FROM scope
INNER JOIN corporate_actions AS action ON action.symbol = scope.symbol AND action.withdrawn_at IS NULL
WHERE action.numerator <= 0 OR action.denominator <= 0;
