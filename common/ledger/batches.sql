-- A task's batch: taken up, tried again, read.

-- name: start
-- Mark that a worker takes up symbols of a run.
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

-- name: reopen_batch
-- Make what failed of a batch ready for another try; what it has cost so far goes on counting.
-- Takes   run_id, batch; retryable, halted: arrays of reason codes; cleared: Airflow says that a person asked for it;
--         force: then what is stored is done again, too.
-- Returns whether a person asked for it: then everything that failed is reopened, else what can heal.
-- A task is not tried again by itself once the run was halted, or when nothing of its batch is left that could heal:
-- so a person cleared it, whatever Airflow says.
WITH lines AS (
    SELECT symbol, status, reason, retry_at
    FROM fetch_outcomes
    WHERE run_id = %(run_id)s AND batch = %(batch)s
),

asked AS (
    SELECT
        %(cleared)s
        OR coalesce(bool_or(status = 'failed' AND reason = ANY (%(halted)s)), FALSE)
        OR NOT coalesce(bool_or(
            status IN ('planned', 'quarantined', 'stale')
            OR (status = 'failed' AND reason = ANY (%(retryable)s))
            OR (status = 'postponed' AND retry_at <= now())
        ), FALSE) AS by_a_person
    FROM lines
),

reopened AS (
    UPDATE fetch_outcomes AS line
    SET status = 'planned', reason = '', detail = '', retry_at = NULL, finished_at = NULL, earlier_calls = line.api_calls
    FROM asked
    WHERE line.run_id = %(run_id)s AND line.batch = %(batch)s
      AND (
          line.status IN ('quarantined', 'stale')
          OR (line.status = 'failed' AND (asked.by_a_person OR line.reason = ANY (%(retryable)s)))
          OR (line.status = 'postponed' AND (%(cleared)s OR line.retry_at <= now()))
          OR (line.status = 'stored' AND %(cleared)s AND %(force)s)
      )
    RETURNING line.symbol
)

SELECT by_a_person FROM asked;

-- name: claim_batch
-- Take up the symbols of a batch that are to be done. A pass that had taken them up before has lost them.
-- Takes   run_id, batch, worker.
-- Returns each symbol with the number of its claim and its dataset, in the plan's order.
-- Locked by key first: two writers take their locks in one order and cannot deadlock.
WITH due AS (
    SELECT symbol
    FROM fetch_outcomes
    WHERE run_id = %(run_id)s AND batch = %(batch)s AND status = 'planned'
    ORDER BY symbol
    FOR UPDATE
),

claimed AS (
    UPDATE fetch_outcomes AS line
    SET worker = %(worker)s, attempts = line.attempts + 1, earlier_calls = line.api_calls, started_at = now()
    FROM due
    WHERE line.run_id = %(run_id)s AND line.symbol = due.symbol
    RETURNING line.symbol, line.attempts, line.dataset, line.place
)

SELECT symbol, attempts, dataset
FROM claimed
ORDER BY place;

-- name: held_claims
-- What became of symbols that a pass has claimed: those that are still to be done, or that it has lost.
-- Takes   run_id; symbols, claims: arrays of the same length, each symbol once.
-- Returns symbol, held (else another pass has claimed it since).
SELECT line.symbol, line.attempts = asked.claim AS held
FROM unnest(%(symbols)s::text [], %(claims)s::integer []) AS asked (symbol, claim)
JOIN fetch_outcomes AS line ON line.run_id = %(run_id)s AND line.symbol = asked.symbol COLLATE "C"
WHERE line.status = 'planned' OR line.attempts <> asked.claim;

-- name: single_symbol
-- The symbol of a batch, whatever became of it, where each symbol of the run has a batch of its own.
-- Takes   run_id, batch.
-- Returns no row for a batch of a run with larger ones, though only one symbol may be in it, or left of it.
SELECT min(symbol) AS symbol -- the one that there is
FROM fetch_outcomes
WHERE run_id = %(run_id)s AND batch = %(batch)s
HAVING count(*) = 1 AND min(place) = %(batch)s - 1;
