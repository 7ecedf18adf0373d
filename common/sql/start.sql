-- start: mark that a worker takes up a symbol of a run.
-- Takes   run_id, symbol, worker.
-- Returns one row if there is work to do; none if the symbol is settled already.
-- A symbol that was postponed is open again once its moment has come.
INSERT INTO fetch_outcomes AS line (run_id, symbol, status, worker, attempts, started_at)
VALUES (%(run_id)s, %(symbol)s, 'planned', %(worker)s, 1, now())
ON CONFLICT (run_id, symbol) DO UPDATE SET
    status = 'planned', reason = '', detail = '', retry_at = NULL,
    worker = excluded.worker,
    attempts = line.attempts + 1,
    earlier_calls = line.api_calls,
    started_at = now(),
    finished_at = NULL
WHERE line.status IN ('planned', 'failed', 'quarantined') OR (line.status = 'postponed' AND line.retry_at <= now())
RETURNING line.symbol;
