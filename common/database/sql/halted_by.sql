-- halted_by: the first ledger line of a run that ended for a reason which no other symbol can escape.
-- Takes   run_id; reasons: an array of the reason codes.
SELECT run_id, symbol, status, reason, detail, worker, api_calls, retry_at
FROM fetch_outcomes
WHERE run_id = %(run_id)s AND status = 'failed' AND reason = ANY (%(reasons)s)
ORDER BY finished_at
LIMIT 1;
