-- What the exporter asks the market database and Airflow's metadata: all of it small, whatever the tables hold.

-- name: heartbeats
-- The last heartbeat of each kind of Airflow's processes; null before its first one.
-- Takes   jobs: an array of job types.
SELECT kind, (SELECT max(latest_heartbeat) FROM job WHERE job.job_type = asked.kind) FROM unnest(%(jobs)s::text[]) AS asked (kind);

-- name: import_errors
-- How many DAG files cannot be imported.
SELECT count(*) FROM import_error;

-- name: dags
-- The DAGs that are parsed: whether paused, when next; how many runs are queued and running.
-- Takes   dags: an array.
SELECT
    dag_id, is_paused, next_dagrun_create_after,
    (SELECT count(*) FROM dag_run WHERE dag_run.dag_id = dag.dag_id AND dag_run.state = 'queued'),
    (SELECT count(*) FROM dag_run WHERE dag_run.dag_id = dag.dag_id AND dag_run.state = 'running')
FROM dag
WHERE dag_id = ANY (%(dags)s) AND NOT is_stale;

-- name: last_runs
-- Each DAG's latest run that has begun, and the latest one that is over.
-- Takes   dags: an array.
SELECT asked.dag_id, begun.run_id, begun.start_date, over.end_date, over.state
FROM unnest(%(dags)s::text[]) AS asked (dag_id)
CROSS JOIN LATERAL (
    SELECT run_id, start_date FROM dag_run
    WHERE dag_run.dag_id = asked.dag_id AND start_date IS NOT NULL
    ORDER BY start_date DESC LIMIT 1
) AS begun
LEFT JOIN LATERAL (
    SELECT end_date, state FROM dag_run
    WHERE dag_run.dag_id = asked.dag_id AND end_date IS NOT NULL
    ORDER BY end_date DESC LIMIT 1
) AS over ON true;

-- name: tasks
-- The tasks of runs, by task and state.
-- Takes   dags, runs: arrays of the same length.
SELECT task_id, coalesce(task.state, 'none'), count(*)
FROM unnest(%(dags)s::text[], %(runs)s::text[]) AS asked (dag_id, run_id)
INNER JOIN task_instance AS task ON task.dag_id = asked.dag_id AND task.run_id = asked.run_id
GROUP BY 1, 2;

-- name: run_symbols
-- What became of the symbols of runs, and how many are not up to date.
-- Takes   runs: an array of the ledger's names of runs.
SELECT run_id, status, reason, count(*)
FROM fetch_outcomes
WHERE run_id = ANY (%(runs)s)
GROUP BY 1, 2, 3;

-- name: last_successes
-- When a symbol of each dataset was last found up to date; null if never. The index fetch_outcomes_successes tells it.
-- Takes   datasets: an array.
SELECT asked.dataset, (
    SELECT max(finished_at) FROM fetch_outcomes
    WHERE fetch_outcomes.dataset = asked.dataset AND status IN ('stored', 'skipped')
)
FROM unnest(%(datasets)s::text[]) AS asked (dataset);

-- name: newest_session
-- The newest trading day of any quote.
SELECT max(latest_trading_day) FROM stock_quotes;

-- name: quarantine_waiting
-- Refused replies that were not replayed.
SELECT reason, count(*) FROM quarantine WHERE replayed_at IS NULL GROUP BY reason;

-- name: gap_states
-- Gaps by state.
SELECT state, count(*) FROM bar_gaps GROUP BY state;

-- name: open_findings
-- Findings of the quality checks that nobody has acknowledged, by severity.
SELECT severity, count(*) FROM quality_findings WHERE resolved_at IS NULL AND acknowledged_at IS NULL GROUP BY severity;

-- name: table_rows
-- The planner's estimate of each table of ours: to count 25 million bars would take seconds.
SELECT relname, greatest(reltuples, 0) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version';

-- name: database_sizes
-- Databases and their sizes on disk, but for the server's own ones.
-- Takes   databases: an array.
SELECT datname, pg_database_size(oid) FROM pg_database WHERE datname = ANY (%(databases)s);

-- name: sessions
-- The sessions of clients by state.
SELECT coalesce(state, 'disabled'), count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' GROUP BY 1;

-- name: max_connections
-- How many sessions the server allows.
SELECT current_setting('max_connections')::integer;
