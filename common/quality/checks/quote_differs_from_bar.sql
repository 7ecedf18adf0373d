-- Quote and bar of one session disagree: two answers for one day.
-- severity: warning
-- looks at: sessions
-- threshold: 0.5 % between the quote of a closed session and its bar's close
-- false positives: a closing auction, or a late correction of one of them. Quotes that were taken before the close, and
--   those of an exchange without a calendar, are not judged.

-- name: quote_differs_from_bar
-- Reads   calendar, quotes.
SELECT
    quotes.symbol, quotes.session,
    'the quote says ' || trim_scale(quotes.close_price) || ', the bar ' || trim_scale(bar.close_price)
FROM quotes
INNER JOIN calendar ON (calendar.exchange, calendar.session) = (quotes.exchange, quotes.session)
INNER JOIN daily_bars AS bar ON (bar.symbol, bar.session) = (quotes.symbol, quotes.session)
WHERE quotes.data_timestamp >= calendar.closed_at
  AND abs(quotes.close_price - bar.close_price) > 0.005 * bar.close_price;
