-- start: mark that a worker takes up symbols of a run.
-- Takes   run_id, dataset; symbols: an array, each once; worker.
-- Returns the symbols that there is work to do on; not those that are settled already.
-- A symbol that was postponed is open again once its moment has come.
INSERT INTO fetch_outcomes AS line (run_id, dataset, symbol, status, worker, attempts, started_at)
SELECT %(run_id)s, %(dataset)s, symbol, 'planned', %(worker)s, 1, now()
FROM unnest(%(symbols)s::text []) AS taken (symbol)
ORDER BY symbol COLLATE "C"
ON CONFLICT (run_id, symbol) DO UPDATE SET
    status = 'planned', reason = '', detail = '', retry_at = NULL,
    worker = excluded.worker,
    attempts = line.attempts + 1,
    earlier_calls = line.api_calls,
    started_at = now(),
    finished_at = NULL
WHERE line.status IN ('planned', 'failed', 'quarantined', 'stale')
   OR (line.status = 'postponed' AND line.retry_at <= now())
RETURNING line.symbol;
