-- insert_quarantine: keep a refused reply with the reason. The same reply again is the same row.
-- Takes   run_id, symbol, function, reason, message, payload (redacted), received_at.
-- Returns the row's id.
INSERT INTO quarantine (run_id, symbol, function, reason, message, payload, received_at)
VALUES (%(run_id)s, %(symbol)s, %(function)s, %(reason)s, %(message)s, %(payload)s, %(received_at)s)
ON CONFLICT (run_id, symbol, function, received_at) DO UPDATE SET reason = excluded.reason, message = excluded.message
RETURNING id;
