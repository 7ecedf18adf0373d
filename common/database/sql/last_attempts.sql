-- last_attempts: when a call was last spent on each symbol, with what result, and since when it waits for its turn.
-- Takes   dataset; symbols: a JSON array of strings, each once.
-- Returns a row for each symbol that has one of the two.
SELECT asked.symbol, attempt.finished_at, attempt.status, attempt.reason, waiting.postponed_at
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
LEFT JOIN LATERAL (
    SELECT finished_at, status, reason FROM fetch_outcomes
    WHERE dataset = %(dataset)s AND fetch_outcomes.symbol = asked.symbol COLLATE "C"
      AND status IN ('stored', 'stale', 'quarantined', 'failed')
      AND api_calls > 0
    ORDER BY finished_at DESC LIMIT 1
) AS attempt ON true
LEFT JOIN LATERAL (
    SELECT min(finished_at) AS postponed_at FROM fetch_outcomes
    WHERE dataset = %(dataset)s AND fetch_outcomes.symbol = asked.symbol COLLATE "C" AND status = 'postponed'
      AND finished_at > coalesce(attempt.finished_at, '-infinity')
) AS waiting ON true
WHERE attempt.finished_at IS NOT NULL OR waiting.postponed_at IS NOT NULL;
