-- plan_run: write a run's plan to the ledger, a line for each symbol.
-- Takes   run_id, dataset; rows: a JSON array of objects, each symbol once: 'planned', or how it ends without a call.
--         again: whether a person has the whole run done again, so that no line counts as settled.
-- A line that is settled stays as it is, and so does one that says the same already (it may be in work); their batches
-- are the plan's by then (rebatch_run). One that failed in an earlier pass, or whose postponement is over, takes what
-- this plan says; its attempts and calls go on counting.
INSERT INTO fetch_outcomes AS line (
    run_id, dataset, symbol, status, reason, detail, retry_at, batch, place, wanted_session, finished_at
)
SELECT
    %(run_id)s, %(dataset)s, symbol, status, reason, detail, retry_at, batch, place, wanted_session,
    CASE WHEN status <> 'planned' THEN now() END
FROM json_to_recordset(%(rows)s) AS incoming (
    symbol varchar(32) COLLATE "C", status text, reason text, detail text, retry_at timestamptz,
    batch integer, place integer, wanted_session date
)
ORDER BY symbol
ON CONFLICT (run_id, symbol) DO UPDATE SET
    status = excluded.status, reason = excluded.reason, detail = excluded.detail, retry_at = excluded.retry_at,
    wanted_session = excluded.wanted_session, planned_at = now(), started_at = NULL, finished_at = excluded.finished_at
WHERE line.status <> excluded.status
  AND (
      %(again)s OR line.status IN ('planned', 'failed', 'quarantined', 'stale')
      OR (line.status = 'postponed' AND line.retry_at <= now())
  );
