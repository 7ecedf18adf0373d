-- held_claims: what became of symbols that a pass has claimed: those that are still to be done, or that it has lost.
-- Takes   run_id; symbols, claims: arrays of the same length, each symbol once.
-- Returns symbol, held (else another pass has claimed it since).
SELECT line.symbol, line.attempts = asked.claim AS held
FROM unnest(%(symbols)s::text [], %(claims)s::integer []) AS asked (symbol, claim)
JOIN fetch_outcomes AS line ON line.run_id = %(run_id)s AND line.symbol = asked.symbol COLLATE "C"
WHERE line.status = 'planned' OR line.attempts <> asked.claim;
