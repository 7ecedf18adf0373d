-- outage: where many symbols that have rows are answered with nothing, the provider is out and no symbol is unknown.
-- Takes   run_id; least, share: how many, and more than which part (0 to 1) of those that are answered at all.
-- Returns the symbols whose lines say so from now on. What never had data may be unknown, and is not counted; but in an
-- outage the same is said of it.
WITH counted AS (
    SELECT count(*) FILTER (WHERE reason IN ('no_data', 'provider_outage')) AS empty,
        count(*) FILTER (WHERE status IN ('stored', 'stale')) AS stored
    FROM fetch_outcomes
    WHERE run_id = %(run_id)s
),

hit AS (
    SELECT line.symbol
    FROM fetch_outcomes AS line
    CROSS JOIN counted
    WHERE line.run_id = %(run_id)s AND line.status = 'failed' AND line.api_calls > 0
      AND line.reason IN ('no_data', 'unknown_symbol')
      AND counted.empty >= %(least)s AND counted.empty > %(share)s * (counted.empty + counted.stored)
    ORDER BY line.symbol
    FOR UPDATE OF line
)

UPDATE fetch_outcomes AS line
SET reason = 'provider_outage',
    detail = 'Many symbols of this run were answered with nothing although they have rows: an outage of the provider.'
FROM hit
WHERE line.run_id = %(run_id)s AND line.symbol = hit.symbol
RETURNING line.symbol;
