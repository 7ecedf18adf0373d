-- unbatch_run: forget the batches of an earlier plan of the run.
-- Takes   run_id.
UPDATE fetch_outcomes SET batch = NULL, place = NULL WHERE run_id = %(run_id)s AND batch IS NOT NULL;
