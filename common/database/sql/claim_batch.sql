-- claim_batch: take up the symbols of a batch that are to be done. A pass that had taken them up before has lost them.
-- Takes   run_id, batch, worker.
-- Returns each symbol with the number of its claim, in the plan's order.
-- Locked by key first: two writers take their locks in one order and cannot deadlock.
WITH due AS (
    SELECT symbol
    FROM fetch_outcomes
    WHERE run_id = %(run_id)s AND batch = %(batch)s AND status = 'planned'
    ORDER BY symbol
    FOR UPDATE
),

claimed AS (
    UPDATE fetch_outcomes AS line
    SET worker = %(worker)s, attempts = line.attempts + 1, earlier_calls = line.api_calls, started_at = now()
    FROM due
    WHERE line.run_id = %(run_id)s AND line.symbol = due.symbol
    RETURNING line.symbol, line.attempts, line.place
)

SELECT symbol, attempts
FROM claimed
ORDER BY place;
