-- only_symbol: the symbol of a batch that holds no other, whatever became of it; no row for any other batch.
-- Takes   run_id, batch.
SELECT min(symbol)
FROM fetch_outcomes
WHERE run_id = %(run_id)s AND batch = %(batch)s
HAVING count(*) = 1;
