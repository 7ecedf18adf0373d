-- insert_quarantine: keep a refused reply with the reason. The same reply again is the same row.
-- Takes   run_id, dataset, symbol, function, reason, message, payload (redacted), received_at; samples: of a reply that
--         is not about its symbol, how many different ones the run keeps for that reason; null: each is kept.
-- Returns the row's id, or no row if there are samples enough.
INSERT INTO quarantine (run_id, dataset, symbol, function, reason, message, payload, received_at)
SELECT %(run_id)s, %(dataset)s, %(symbol)s, %(function)s, %(reason)s, %(message)s, %(payload)s, %(received_at)s
WHERE %(samples)s::integer IS NULL OR (
    SELECT count(*) < %(samples)s AND coalesce(bool_and(payload <> %(payload)s), TRUE)
    FROM quarantine
    WHERE run_id = %(run_id)s AND reason = %(reason)s
)
ON CONFLICT (run_id, symbol, function, received_at) DO UPDATE SET reason = excluded.reason, message = excluded.message
RETURNING id;
