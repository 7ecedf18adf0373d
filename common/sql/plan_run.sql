-- plan_run: open a ledger line for each symbol of a run.
-- Takes   run_id; symbols: a JSON array of strings, each once.
-- A line that is settled, planned or in work stays as it is. One that failed in an earlier pass, or whose
-- postponement is over, is planned again; its attempts and calls go on counting.
INSERT INTO fetch_outcomes AS line (run_id, symbol, status)
SELECT %(run_id)s, symbol, 'planned'
FROM json_array_elements_text(%(symbols)s) AS incoming (symbol)
ORDER BY symbol COLLATE "C"
ON CONFLICT (run_id, symbol) DO UPDATE SET
    status = 'planned', reason = '', detail = '', retry_at = NULL,
    planned_at = now(), started_at = NULL, finished_at = NULL
WHERE line.status IN ('failed', 'quarantined') OR (line.status = 'postponed' AND line.retry_at <= now());
