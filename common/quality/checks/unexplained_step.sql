-- The close stepped far from the one before, and no split is stored that says why: a split is missing, or two companies
-- share the ticker.
-- severity: warning
-- looks at: sessions
-- threshold: close with dividend below 0.6 or above 1.7 of the close before
-- false positives: shares that really moved so: GME on 2021-01-27, pennies, a drug that failed. About a hundredfold is
--   hundredfold_step's.

-- name: unexplained_step
-- Reads   steps, events.
SELECT
    symbol, session,
    'the close went from ' || trim_scale(close_before) || ' on ' || session_before || ' to '
    || trim_scale(close_price) || ', and no split is stored'
FROM steps
WHERE close_before > 0 AND close_price / nullif(close_before, 0) NOT BETWEEN 0.6 AND 1.7
  AND close_price / nullif(close_before, 0) NOT BETWEEN 60 AND 170 AND close_before / nullif(close_price, 0) NOT BETWEEN 60 AND 170
  AND NOT EXISTS (
      SELECT FROM events
      WHERE (events.symbol, events.session) = (steps.symbol, steps.session)
        AND (
            events.splits > 0
            OR (steps.close_price + events.dividend) / nullif(steps.close_before, 0) BETWEEN 0.6 AND 1.7
        )
  );
