-- reopen_batch: make what failed of a batch ready for another try; what it has cost so far goes on counting.
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
