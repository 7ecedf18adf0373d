-- batch_symbols: the symbols of a batch that are still to be done, in the plan's order.
-- Takes   run_id, batch; again: whether those count too that failed; reasons: an array of the failures' reason codes.
SELECT symbol
FROM fetch_outcomes
WHERE run_id = %(run_id)s AND batch = %(batch)s
  AND (
      status = 'planned'
      OR (status = 'postponed' AND retry_at <= now())
      OR (%(again)s AND (status = 'quarantined' OR (status = 'failed' AND reason = ANY (%(reasons)s))))
  )
ORDER BY place;
