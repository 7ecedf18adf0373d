-- The provider's adjusted closes know another split or dividend than is stored.
-- severity: warning
-- looks at: sessions
-- threshold: a step of the provider's adjusted close that is 1e-4 off ours, by its own formula
-- false positives: closes below 0.01, of which six decimals say too little: not judged, nor are bars that came with
--   different replies.

-- name: adjusted_otherwise
-- Reads   scope.
SELECT
    scope.symbol, scope.first,
    json_agg(
        json_build_array(bar.session, bar.close_price::text, bar.adjusted_close::text) ORDER BY bar.session
    ) AS bars,
    (
        SELECT json_agg(json_build_array(kind, ex_date, numerator, denominator, amount::text) ORDER BY ex_date, seq)
        FROM corporate_actions AS action
        WHERE action.symbol = scope.symbol AND action.withdrawn_at IS NULL
          AND action.ex_date BETWEEN scope.read_from AND scope.last
    ) AS actions
FROM scope
CROSS JOIN LATERAL (
    SELECT session, close_price, adjusted_close, updated_at
    FROM daily_bars
    WHERE daily_bars.symbol = scope.symbol AND session BETWEEN scope.read_from AND scope.last
      AND adjusted_close IS NOT NULL
) AS bar
GROUP BY scope.symbol, scope.first, scope.read_from, scope.last, bar.updated_at
HAVING count(*) > 1;
