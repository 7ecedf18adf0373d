-- record_call: note that a call is about to be sent. The same permit again changes nothing.
-- Takes   permit_id, key_digest, dataset, symbol (or null). Each call is one of the quota, whatever it asks for: the
--         column cost is 1 until a migration drops it.
INSERT INTO api_calls (permit_id, key_digest, cost, dataset, symbol)
VALUES (%(permit_id)s, %(key_digest)s, 1, %(dataset)s, %(symbol)s)
ON CONFLICT (permit_id) DO NOTHING;
