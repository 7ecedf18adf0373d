-- name: insert_quarantine
-- Keep a refused reply with the reason. The same reply again is the same row.
-- Takes   run_id, dataset, symbol, function, reason, message, payload (redacted), received_at; reply_id: where it is
--         kept whole if payload is only how it begins, else null; samples: of a reply that is not about its symbol, how
--         many different ones the run keeps for that reason; null: each is kept.
-- Returns the row's id, or no row if there are samples enough.
INSERT INTO quarantine (run_id, dataset, symbol, function, reason, message, payload, received_at, reply_id)
SELECT
    %(run_id)s, %(dataset)s, %(symbol)s, %(function)s, %(reason)s, %(message)s, %(payload)s, %(received_at)s,
    %(reply_id)s
WHERE %(samples)s::integer IS NULL OR (
    SELECT count(*) < %(samples)s AND coalesce(bool_and(payload <> %(payload)s), TRUE)
    FROM quarantine
    WHERE run_id = %(run_id)s AND reason = %(reason)s
)
ON CONFLICT (run_id, symbol, function, received_at) DO UPDATE SET reason = excluded.reason, message = excluded.message
RETURNING id;

-- name: waiting_quarantine
-- The refused replies that were not replayed yet, oldest first; with body it is whole, and payload how it begins.
-- Takes   row_limit.
SELECT
    refused.id, refused.run_id, refused.dataset, refused.symbol, refused.function, refused.reason, refused.message,
    refused.received_at, refused.payload, kept.body
FROM quarantine AS refused
LEFT JOIN raw_replies AS kept ON kept.id = refused.reply_id
WHERE refused.replayed_at IS NULL
ORDER BY refused.id
LIMIT %(row_limit)s;

-- name: mark_replayed
-- Note that a refused reply was taken up again.
-- Takes   id.
UPDATE quarantine SET replayed_at = now() WHERE id = %(id)s AND replayed_at IS NULL;
