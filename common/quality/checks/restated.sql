-- The provider changed a bar after its day was final.
-- severity: warning
-- looks at: sessions
-- threshold: a price by more than 1e-4, or the volume by more than 0.5 %
-- false positives: volumes that are reported late, and exchanges' own corrections. Not judged: what changed within 33
--   hours of the day's begin in UTC, when no bar is final yet.

-- name: restated
-- Reads   scope, bars.
SELECT
    bars.symbol, bars.session,
    'close ' || trim_scale(former.close_price) || ' and volume ' || former.volume || ' became '
    || trim_scale(bars.close_price) || ' and ' || bars.volume || ' at '
    || to_char(former.replaced_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC; bar_revisions has the rest'
FROM (
    SELECT DISTINCT ON (scope.symbol, revision.session) revision.*
    FROM scope
    INNER JOIN bar_revisions AS revision
        ON revision.symbol = scope.symbol AND revision.session BETWEEN scope.first AND scope.last
        AND revision.replaced_at >= (revision.session + interval '33 hours') AT TIME ZONE 'UTC'
    ORDER BY scope.symbol, revision.session, revision.replaced_at
) AS former
INNER JOIN bars ON (bars.symbol, bars.session) = (former.symbol, former.session)
WHERE abs(bars.open_price - former.open_price) > 0.0001 * former.open_price
  OR abs(bars.high_price - former.high_price) > 0.0001 * former.high_price
  OR abs(bars.low_price - former.low_price) > 0.0001 * former.low_price
  OR abs(bars.close_price - former.close_price) > 0.0001 * former.close_price
  OR abs(bars.volume - former.volume) > 0.005 * former.volume;
