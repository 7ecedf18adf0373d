-- waiting_quarantine: the refused replies that were not replayed yet, oldest first.
-- Takes   row_limit.
SELECT id, run_id, dataset, symbol, function, reason, message, payload, received_at
FROM quarantine
WHERE replayed_at IS NULL
ORDER BY id
LIMIT %(row_limit)s;
