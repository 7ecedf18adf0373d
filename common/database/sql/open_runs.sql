-- open_runs: the other runs of a dataset that have lines without an outcome.
-- Takes   run_id: the run that asks; dataset.
-- One symbol on the command line takes minutes at most; within the hour it may still be at work.
SELECT DISTINCT run_id
FROM fetch_outcomes
WHERE status = 'planned' AND dataset = %(dataset)s AND run_id <> %(run_id)s
  AND (run_id NOT LIKE 'cli\_\_%%' OR planned_at < now() - interval '1 hour');
