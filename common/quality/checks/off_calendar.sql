-- A bar or a quote is of a day on which its exchange was closed.
-- severity: warning
-- looks at: sessions
-- threshold: no session of the exchange's calendar
-- false positives: sessions that the calendar lacks, as Mumbai's at week-ends and on Diwali. Unknown suffixes, and days
--   that the calendar does not cover, are not judged.

-- name: off_calendar
-- Reads   calendar, prices.
SELECT
    prices.symbol, prices.session,
    string_agg(DISTINCT prices.source, ' and ') || ' of a day on which ' || prices.exchange || ' had no session'
FROM prices
INNER JOIN (
    SELECT exchange, min(session) AS first, max(session) AS last FROM calendar GROUP BY exchange
) AS known ON known.exchange = prices.exchange AND prices.session BETWEEN known.first AND known.last
WHERE NOT EXISTS (
    SELECT FROM calendar WHERE (calendar.exchange, calendar.session) = (prices.exchange, prices.session)
)
GROUP BY prices.symbol, prices.session, prices.exchange;
