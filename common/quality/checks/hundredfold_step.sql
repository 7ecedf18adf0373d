-- A price is about a hundred times, or a hundredth of, the one before it: pence for pounds, or a split that is not
-- stored.
-- severity: warning
-- looks at: sessions
-- threshold: 60 to 170 times, or that part of, the close before, or the high of the low
-- false positives: pennies that multiply, and a company whose reverse split of about 1:100 is not listed yet.

-- name: hundredfold_step
-- Reads   steps, events.
SELECT
    symbol, session,
    'the close before ' || coalesce(trim_scale(close_before)::text, 'is not known') || ', open '
    || trim_scale(open_price) || ', high ' || trim_scale(high_price) || ', low ' || trim_scale(low_price) || ', close '
    || trim_scale(close_price)
FROM steps
WHERE (low_price > 0 AND high_price / low_price BETWEEN 60 AND 170)
  OR (
      (close_price / nullif(close_before, 0) BETWEEN 60 AND 170 OR close_before / nullif(close_price, 0) BETWEEN 60 AND 170)
      AND NOT EXISTS (
          SELECT FROM events
          WHERE (events.symbol, events.session) = (steps.symbol, steps.session) AND events.splits > 0
      )
  );
