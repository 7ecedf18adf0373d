-- The calls of a key, from which its quota can be rebuilt.

-- name: record_call
-- Note that a call is about to be sent. The same permit again changes nothing.
-- Takes   permit_id, key_digest, dataset, symbol (or null).
INSERT INTO api_calls (permit_id, key_digest, dataset, symbol)
VALUES (%(permit_id)s, %(key_digest)s, %(dataset)s, %(symbol)s)
ON CONFLICT (permit_id) DO NOTHING;

-- name: settle_call
-- Note that a call's reply, or its failure, was seen.
-- Takes   permit_id.
UPDATE api_calls SET settled_at = greatest(now(), sent_at) WHERE permit_id = %(permit_id)s AND settled_at IS NULL;

-- name: forget_call
-- Take back the note of a call that was never sent. One that was settled stays.
-- Takes   permit_id.
DELETE FROM api_calls WHERE permit_id = %(permit_id)s AND settled_at IS NULL;

-- name: calls_since
-- The calls of a key that the provider may have counted within the last seconds, oldest first.
-- Takes   key_digest, seconds.
-- Returns ages in seconds on this server's clock, so that no two clocks are compared.
SELECT permit_id, extract(epoch FROM now() - coalesce(settled_at, sent_at))::float8 AS age_s
FROM api_calls
WHERE key_digest = %(key_digest)s AND coalesce(settled_at, sent_at) > now() - make_interval(secs => %(seconds)s)
ORDER BY coalesce(settled_at, sent_at), permit_id;

-- name: count_calls
-- How many calls of a key were for a dataset within the last seconds.
-- Takes   key_digest, dataset, seconds.
SELECT count(*)
FROM api_calls
WHERE key_digest = %(key_digest)s AND dataset = %(dataset)s
  AND coalesce(settled_at, sent_at) > now() - make_interval(secs => %(seconds)s);

-- name: ever_called
-- Whether any call was ever made, as far as this database knows.
-- Returns one row with one boolean.
SELECT EXISTS (SELECT FROM api_calls) OR EXISTS (SELECT FROM fetch_outcomes WHERE api_calls > 0);
