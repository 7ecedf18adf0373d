-- close_run: end what a run left open, because none of its tasks will come back to it.
-- Takes   run_id; not_attempted, interrupted: a reason code and a sentence each, as reason and as *_detail.
-- Returns the symbols. A task that ends later all the same writes its outcome over this one.
WITH open_lines AS (
    SELECT symbol FROM fetch_outcomes
    WHERE run_id = %(run_id)s AND status = 'planned'
    ORDER BY symbol
    FOR UPDATE
)

UPDATE fetch_outcomes AS line SET
    status = 'failed',
    reason = CASE WHEN line.started_at IS NULL THEN %(not_attempted)s ELSE %(interrupted)s END,
    detail = CASE WHEN line.started_at IS NULL THEN %(not_attempted_detail)s ELSE %(interrupted_detail)s END,
    finished_at = now()
FROM open_lines
WHERE line.run_id = %(run_id)s AND line.symbol = open_lines.symbol
RETURNING line.symbol;
