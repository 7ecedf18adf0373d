-- unbatch_run: forget the batches of an earlier plan of the run, but for lines that keep their batch and place.
-- Takes   run_id; rows: a JSON array of objects, the plan that is to come.
UPDATE fetch_outcomes AS line SET batch = NULL, place = NULL
WHERE run_id = %(run_id)s AND batch IS NOT NULL AND NOT EXISTS (
    SELECT FROM json_to_recordset(%(rows)s) AS incoming (
        symbol varchar(32) COLLATE "C", batch integer, place integer
    )
    WHERE (incoming.symbol, incoming.batch, incoming.place) = (line.symbol, line.batch, line.place)
);
