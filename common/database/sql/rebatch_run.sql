-- rebatch_run: give the lines that a run has the batches of its new plan, and none to those that are not in it.
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
