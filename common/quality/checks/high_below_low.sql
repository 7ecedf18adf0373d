-- The high of a bar or a quote is below its low.
-- severity: error
-- looks at: sessions
-- threshold: high < low
-- false positives: none: nothing trades at both. The tables refuse such a row too; this finds what a changed or
--   restored database holds.

-- name: high_below_low
-- Reads   prices.
SELECT symbol, session, source || ': high ' || trim_scale(high_price) || ' is below low ' || trim_scale(low_price)
FROM prices
WHERE high_price < low_price;
