-- upsert_outcomes: write what became of symbols in a run.
-- Takes   dataset; rows: a JSON array of objects, each (run_id, symbol) once; api_calls counts the calls of this attempt.
-- What is stored of an earlier session than the one that the plan wants is stale, and asked for again.
-- A line that says 'stored' is final, so a repeated save changes nothing. The calls of earlier attempts stand in a
-- column of their own, so that writing the same outcome twice does not count its calls twice.
INSERT INTO fetch_outcomes AS line (
    run_id, dataset, symbol, status, reason, detail, worker, api_calls, retry_at, session, finished_at
)
SELECT
    run_id, %(dataset)s, symbol, status, reason, detail, worker, api_calls, retry_at, session,
    CASE WHEN status <> 'planned' THEN now() END
FROM json_to_recordset(%(rows)s) AS incoming (
    run_id text, symbol varchar(32) COLLATE "C", status text, reason text, detail text, worker text,
    api_calls integer, retry_at timestamptz, session date
)
ORDER BY run_id, symbol
ON CONFLICT (run_id, symbol) DO UPDATE SET
    status = CASE
        WHEN excluded.status = 'stored' AND excluded.session < line.wanted_session THEN 'stale'
        ELSE excluded.status
    END,
    reason = CASE
        WHEN excluded.status = 'stored' AND excluded.session < line.wanted_session THEN 'stale'
        ELSE excluded.reason
    END,
    detail = CASE
        WHEN excluded.status = 'stored' AND excluded.session < line.wanted_session
            THEN excluded.detail || '; the session of ' || line.wanted_session || ' is complete, but was not in the reply'
        ELSE excluded.detail
    END,
    session = excluded.session,
    worker = coalesce(nullif(excluded.worker, ''), line.worker),
    api_calls = line.earlier_calls + excluded.api_calls,
    retry_at = excluded.retry_at,
    finished_at = excluded.finished_at
WHERE line.status <> 'stored';
