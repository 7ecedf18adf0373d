-- check_rows: one row (rule, row) for each broken invariant of the market database; none if all is well.
-- It shares nothing with the code or with the tables' constraints, so that it can judge both.
SELECT 'a symbol and day stand twice' AS rule, symbol || ' ' || latest_trading_day AS broken
FROM stock_quotes GROUP BY symbol, latest_trading_day HAVING count(*) > 1
UNION ALL
SELECT 'a quote holds no finite, not negative number', to_jsonb(q)::text
FROM stock_quotes AS q
WHERE EXISTS (
    SELECT FROM unnest(ARRAY[open_price, high_price, low_price, price, previous_close, volume]) AS number
    WHERE number::text IN ('NaN', 'Infinity', '-Infinity') OR number < 0
) OR change_amount::text IN ('NaN', 'Infinity', '-Infinity') OR change_percent::text IN ('NaN', 'Infinity', '-Infinity')
UNION ALL
SELECT 'a quote without a price', to_jsonb(q)::text FROM stock_quotes AS q WHERE price = 0
UNION ALL
SELECT 'high is below low', to_jsonb(q)::text FROM stock_quotes AS q WHERE high_price < low_price
UNION ALL
SELECT 'a trading day lies in the future', to_jsonb(q)::text
FROM stock_quotes AS q WHERE latest_trading_day > (now() AT TIME ZONE 'Pacific/Kiritimati')::date
UNION ALL
SELECT 'a row was changed before it was made', to_jsonb(q)::text FROM stock_quotes AS q WHERE updated_at < created_at
UNION ALL
SELECT 'a symbol that can be none', symbol
FROM (
    SELECT symbol FROM stock_quotes UNION SELECT symbol FROM daily_bars UNION SELECT symbol FROM quarantine
    UNION SELECT symbol FROM fetch_outcomes WHERE reason <> 'not_a_symbol'
) AS symbols
WHERE symbol = '' OR symbol <> upper(symbol) OR symbol ~ '[^!#-+./0-9:=@A-Z^~-]' OR symbol !~ '[A-Z0-9]'
UNION ALL
SELECT 'a bar and session stand twice', symbol || ' ' || session
FROM daily_bars GROUP BY symbol, session HAVING count(*) > 1
UNION ALL
SELECT 'a bar is impossible', to_jsonb(b)::text
FROM daily_bars AS b
WHERE high_price < low_price OR volume < 0 OR close_price <= 0
   OR 'NaN' IN (open_price::text, high_price::text, low_price::text, close_price::text, adjusted_close::text)
UNION ALL
SELECT 'stored without a row', run_id || ' ' || symbol
FROM fetch_outcomes AS line
WHERE status = 'stored'
  AND symbol NOT IN (SELECT symbol FROM stock_quotes UNION SELECT symbol FROM daily_bars UNION SELECT symbol FROM corporate_actions)
UNION ALL
SELECT 'quarantined without a reply', run_id || ' ' || symbol
FROM fetch_outcomes WHERE status = 'quarantined' AND (run_id, symbol) NOT IN (SELECT run_id, symbol FROM quarantine)
UNION ALL
SELECT 'a reply in quarantine without a ledger line', run_id || ' ' || symbol
FROM quarantine WHERE (run_id, symbol) NOT IN (SELECT run_id, symbol FROM fetch_outcomes)
UNION ALL
SELECT 'an outcome without a reason', run_id || ' ' || symbol
FROM fetch_outcomes WHERE status IN ('stored', 'failed', 'quarantined') AND reason = ''
UNION ALL
SELECT 'an outcome without its time', run_id || ' ' || symbol
FROM fetch_outcomes WHERE status <> 'planned' AND (finished_at IS NULL OR finished_at < planned_at)
UNION ALL
SELECT 'a call was settled before it was sent', permit_id FROM api_calls WHERE settled_at < sent_at
UNION ALL
SELECT 'a listing stands twice on the last list', status || ' ' || symbol
FROM listings WHERE unlisted_at IS NULL
GROUP BY status, symbol, ipo_date, delisting_date HAVING count(*) > 1
UNION ALL
SELECT 'a listing was last seen before it was first', to_jsonb(l)::text FROM listings AS l WHERE last_seen < first_seen
UNION ALL
SELECT 'the factors of a symbol have a gap, an overlap or an end', symbol
FROM (
    SELECT symbol, valid_from, lag(valid_before) OVER w AS ended, valid_before, lead(valid_from) OVER w AS next
    FROM adjustment_factors WINDOW w AS (PARTITION BY symbol ORDER BY valid_from)
) AS segment
WHERE valid_from <> coalesce(ended, '-infinity') OR valid_before <> coalesce(next, 'infinity')
UNION ALL
SELECT 'the newest factors are not 1', symbol
FROM adjustment_factors WHERE valid_before = 'infinity' AND (split_factor <> 1 OR total_factor <> 1)
UNION ALL
SELECT 'a bar has no factors', symbol
FROM daily_bars WHERE symbol NOT IN (SELECT symbol FROM adjustment_factors) GROUP BY symbol;
