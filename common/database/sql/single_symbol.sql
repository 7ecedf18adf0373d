-- single_symbol: the symbol of a batch, whatever became of it, where each symbol of the run has a batch of its own.
-- Takes   run_id, batch.
-- Returns no row for a batch of a run with larger ones, though only one symbol may be in it, or left of it.
SELECT min(symbol) AS symbol -- the one that there is
FROM fetch_outcomes
WHERE run_id = %(run_id)s AND batch = %(batch)s
HAVING count(*) = 1 AND min(place) = %(batch)s - 1;
