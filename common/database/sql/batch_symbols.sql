-- batch_symbols: the symbols of a batch that are to be done, in the plan's order.
-- Takes   run_id, batch.
SELECT symbol
FROM fetch_outcomes
WHERE run_id = %(run_id)s AND batch = %(batch)s AND status = 'planned'
ORDER BY place;
