-- What the provider said: kept, and read back.

-- name: keep_replies
-- Keep what the provider said. The same bytes in answer to the same request are the same row, and only its time moves.
-- Takes   arrays, a reply in each place: dataset, function, params (JSON), symbol, received_at, sha256, size, body.
-- Returns the rows' ids.
-- In the order of the key: two writers take their locks in one order and cannot deadlock.
INSERT INTO raw_replies AS kept (
    dataset, function, params, symbol, received_at, last_seen_at, sha256, size, body
)
SELECT dataset, function, params, symbol, received_at, received_at, sha256, size, body
FROM unnest(
    %(dataset)s::text[], %(function)s::text[], %(params)s::jsonb[], %(symbol)s::text[], %(received_at)s::timestamptz[],
    %(sha256)s::bytea[], %(size)s::integer[], %(body)s::bytea[]
) AS incoming (dataset, function, params, symbol, received_at, sha256, size, body)
ORDER BY function, params, sha256
ON CONFLICT (function, (jsonb_hash_extended(params, 0)), sha256) DO UPDATE SET
    last_seen_at = greatest(kept.last_seen_at, excluded.last_seen_at)
RETURNING id;

-- name: commit_at_once
-- End this transaction without a wait for the disk: a crash of the server may lose what was written just before it.
SET LOCAL synchronous_commit = off;

-- name: reply
-- One reply.
-- Takes   id.
SELECT id, dataset, function, params, symbol, received_at, last_seen_at, body
FROM raw_replies
WHERE id = %(id)s;

-- name: replies_of
-- The replies to requests for one symbol alone, the newest first.
-- Takes   dataset, symbol, row_limit.
SELECT id, dataset, function, params, symbol, received_at, last_seen_at, body
FROM raw_replies
WHERE dataset = %(dataset)s AND symbol = %(symbol)s
ORDER BY received_at DESC, id DESC
LIMIT %(row_limit)s;

-- name: groups_of_replies
-- Which symbols there are replies about, by symbol, and last null if some are about many.
-- Takes   datasets: an array.
SELECT DISTINCT symbol FROM raw_replies
WHERE dataset = ANY (%(datasets)s)
ORDER BY symbol;

-- name: ids_of_replies
-- The replies about a symbol, or with null those about many, the last to come first.
-- Takes   datasets: an array; symbol; since: null for all; without: reasons with which quarantine points at some.
SELECT id FROM raw_replies AS kept
WHERE dataset = ANY (%(datasets)s)
  AND (symbol = %(symbol)s OR (%(symbol)s IS NULL AND symbol IS NULL))
  AND (%(since)s::timestamptz IS NULL OR last_seen_at >= %(since)s)
  AND NOT EXISTS (SELECT FROM quarantine WHERE reply_id = kept.id AND reason = ANY (%(without)s))
ORDER BY last_seen_at DESC, id DESC;
