-- outcomes: the ledger lines of a run, by symbol.
-- Takes   run_id; symbol: that one's line only, or null; batch: the lines of that batch only, or null.
SELECT run_id, symbol, status, reason, detail, worker, api_calls, retry_at
FROM fetch_outcomes
WHERE run_id = %(run_id)s
  AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
  AND (%(batch)s::integer IS NULL OR batch = %(batch)s)
ORDER BY symbol;
