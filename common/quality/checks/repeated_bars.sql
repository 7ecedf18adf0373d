-- Bars are equal in all prices and in volume: the provider repeats an old one.
-- severity: warning
-- looks at: sessions
-- threshold: five bars in a row, told at the fifth
-- false positives: a share that is hardly traded, always in one lot at one price. Funds are not judged: their volume is
--   0.

-- name: repeated_bars
-- Reads   scope.
SELECT scope.symbol, bar.session, 'the fifth bar in a row with a close of ' || trim_scale(bar.close_price)
FROM scope
CROSS JOIN LATERAL (
    SELECT
        run.session, run.close_price, run.volume,
        count(*) FILTER (WHERE is_equal) OVER (ORDER BY session ROWS 3 PRECEDING) AS repeats,
        coalesce(lag(is_equal, 4) OVER (ORDER BY session), false) AS ran_before
    FROM (
        SELECT
            session, close_price, volume,
            (open_price, high_price, low_price, close_price, volume)
            = lag((open_price, high_price, low_price, close_price, volume)) OVER (ORDER BY session) AS is_equal
        FROM daily_bars
        WHERE daily_bars.symbol = scope.symbol AND session BETWEEN scope.read_from AND scope.last
    ) AS run
) AS bar
WHERE bar.volume > 0 AND bar.repeats = 4 AND NOT bar.ran_before AND bar.session >= scope.first;
