-- A run's plan, and what the next one goes by.

-- name: rebatch_run
-- Give the lines that a run has the batches of its new plan, and none to those that are not in it.
-- Takes   run_id; rows: a JSON array of objects, the plan.
-- Also a line that was settled since the plan looked: its task finds it settled, and not no line at all.
-- The planner takes the plan for a hundred rows and a new run for few: by chance it could compare each of 50,000 lines
-- with each, which a statement has no time for.
SET LOCAL enable_nestloop = off;

WITH planned AS (
    SELECT line.symbol, incoming.batch, incoming.place
    FROM fetch_outcomes AS line
    LEFT JOIN json_to_recordset(%(rows)s) AS incoming (
        symbol varchar(32) COLLATE "C", batch integer, place integer
    ) ON incoming.symbol = line.symbol
    WHERE line.run_id = %(run_id)s
    ORDER BY line.symbol
    FOR UPDATE OF line
)

UPDATE fetch_outcomes AS line SET batch = planned.batch, place = planned.place
FROM planned
WHERE line.run_id = %(run_id)s AND line.symbol = planned.symbol
  AND (line.batch, line.place) IS DISTINCT FROM (planned.batch, planned.place);

-- name: plan_run
-- Write a run's plan to the ledger, a line for each symbol.
-- Takes   run_id; rows: a JSON array of objects, each symbol once: 'planned', or how it ends without a call.
--         again: whether a person has the whole run done again, so that no line counts as settled.
-- A line that is settled stays as it is, and so does one that says the same already (it may be in work); their batches
-- are the plan's by then (rebatch_run). One that failed in an earlier pass, or whose postponement is over, takes what
-- this plan says; its attempts and calls go on counting.
INSERT INTO fetch_outcomes AS line (
    run_id, dataset, symbol, status, reason, detail, retry_at, batch, place, wanted_session, finished_at
)
SELECT
    %(run_id)s, dataset, symbol, status, reason, detail, retry_at, batch, place, wanted_session,
    CASE WHEN status <> 'planned' THEN now() END
FROM json_to_recordset(%(rows)s) AS incoming (
    dataset text, symbol varchar(32) COLLATE "C", status text, reason text, detail text, retry_at timestamptz,
    batch integer, place integer, wanted_session date
)
ORDER BY symbol
ON CONFLICT (run_id, symbol) DO UPDATE SET
    dataset = excluded.dataset,
    status = excluded.status, reason = excluded.reason, detail = excluded.detail, retry_at = excluded.retry_at,
    wanted_session = excluded.wanted_session, planned_at = now(), started_at = NULL, finished_at = excluded.finished_at
WHERE line.status <> excluded.status
  AND (
      %(again)s OR line.status IN ('planned', 'failed', 'quarantined', 'stale')
      OR (line.status = 'postponed' AND line.retry_at <= now())
  );

-- name: last_attempts
-- When a call was last spent on each symbol, with what result, and since when it waits for its turn.
-- Takes   dataset; symbols: a JSON array of strings, each once.
-- Returns a row for each symbol that has one of the two.
-- What failed without a call says nothing new; a row that came with another symbol's call counts no call of its own.
SELECT asked.symbol, attempt.finished_at, attempt.status, attempt.reason, waiting.postponed_at
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
LEFT JOIN LATERAL (
    SELECT finished_at, status, reason FROM fetch_outcomes
    WHERE dataset = %(dataset)s AND fetch_outcomes.symbol = asked.symbol COLLATE "C"
      AND status IN ('stored', 'stale', 'quarantined', 'failed')
      AND (status <> 'failed' OR api_calls > 0)
    ORDER BY finished_at DESC LIMIT 1
) AS attempt ON true
LEFT JOIN LATERAL (
    SELECT min(finished_at) AS postponed_at FROM fetch_outcomes
    WHERE dataset = %(dataset)s AND fetch_outcomes.symbol = asked.symbol COLLATE "C" AND status = 'postponed'
      AND finished_at > coalesce(attempt.finished_at, '-infinity')
) AS waiting ON true
WHERE attempt.finished_at IS NOT NULL OR waiting.postponed_at IS NOT NULL;

-- name: open_runs
-- The other runs of a dataset that have lines without an outcome.
-- Takes   run_id: the run that asks.
-- One symbol on the command line takes minutes at most; within the hour it may still be at work.
SELECT DISTINCT run_id
FROM fetch_outcomes
WHERE status = 'planned' AND run_id <> %(run_id)s
  AND (run_id NOT LIKE 'cli\_\_%%' OR planned_at < now() - interval '1 hour');

-- name: close_run
-- End what a run left open, because none of its tasks will come back to it.
-- Takes   run_id; not_attempted, interrupted: a reason code and a sentence each, as reason and as *_detail.
-- Returns the symbols. A task that ends later all the same writes its outcome over this one.
WITH open_lines AS (
    SELECT symbol FROM fetch_outcomes
    WHERE run_id = %(run_id)s AND status = 'planned'
    ORDER BY symbol
    FOR UPDATE
)

UPDATE fetch_outcomes AS line SET
    status = 'failed',
    reason = CASE WHEN line.started_at IS NULL THEN %(not_attempted)s ELSE %(interrupted)s END,
    detail = CASE WHEN line.started_at IS NULL THEN %(not_attempted_detail)s ELSE %(interrupted_detail)s END,
    finished_at = now()
FROM open_lines
WHERE line.run_id = %(run_id)s AND line.symbol = open_lines.symbol
RETURNING line.symbol;
