-- The price of a share moved in a session without volume, although it was traded in the session before.
-- severity: warning
-- looks at: sessions
-- threshold: a volume of 0 after one above 0, and another close or a range
-- false positives: a share that is hardly traded and whose close is an indication. Funds and indices are not judged:
--   none of their sessions has a volume.

-- name: moved_without_volume
-- Reads   steps.
SELECT
    symbol, session,
    'no volume, but the close went from ' || trim_scale(close_before) || ' to ' || trim_scale(close_price)
    || ', between ' || trim_scale(low_price) || ' and ' || trim_scale(high_price)
FROM steps
WHERE volume = 0 AND volume_before > 0 AND (close_price <> close_before OR high_price > low_price);
