-- record_call: note that a call is about to be sent. The same permit again changes nothing.
-- Takes   permit_id, key_digest, cost, dataset, symbol (or null).
INSERT INTO api_calls (permit_id, key_digest, cost, dataset, symbol)
VALUES (%(permit_id)s, %(key_digest)s, %(cost)s, %(dataset)s, %(symbol)s)
ON CONFLICT (permit_id) DO NOTHING;
