-- The price did not jump by the split that is stored: it is booked on another day, twice, or not at all.
-- severity: error
-- looks at: sessions
-- threshold: the step of the close and the split differ by more than 0.3 in the logarithm (35 %)
-- false positives: a share that rose or fell by a third on the very day of its split, as pennies do with reverse
--   splits. Not judged: bars that are more than ten days apart. Splits below 4:3 are too small for it.

-- name: split_without_jump
-- Reads   events.
SELECT
    symbol, session,
    'a split of ' || round(shares::numeric, 4) || ' for one, but the close went from ' || trim_scale(close_before)
    || ' on ' || session_before || ' to ' || trim_scale(close_price)
FROM events
WHERE splits > 0 AND session - session_before <= 10
  AND abs(ln(nullif(close_price, 0)::float8 / nullif(close_before, 0)::float8) + ln(shares)) > 0.3;
