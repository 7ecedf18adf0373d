-- calls_since: the calls of a key that the provider may have counted within the last seconds, oldest first.
-- Takes   key_digest, seconds.
-- Returns ages in seconds on this server's clock; settled_age_s is null for a call whose end nobody saw.
SELECT
    permit_id,
    extract(epoch FROM now() - sent_at)::float8 AS sent_age_s,
    extract(epoch FROM now() - settled_at)::float8 AS settled_age_s
FROM api_calls
WHERE key_digest = %(key_digest)s AND coalesce(settled_at, sent_at) > now() - make_interval(secs => %(seconds)s)
ORDER BY coalesce(settled_at, sent_at), permit_id;
