-- outcomes: the ledger lines of a run, by symbol.
-- Takes   run_id; symbol: that one's line only, or null for all.
SELECT run_id, symbol, status, reason, detail, worker, api_calls, retry_at
FROM fetch_outcomes
WHERE run_id = %(run_id)s AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
ORDER BY symbol;
