-- Refused replies: kept, listed, taken up again.

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

-- name: quarantine_rows
-- Refused replies, oldest first; with body it is whole, and payload how it begins.
-- Takes   id: this one alone, or null; after: the id before the first one; dataset, symbol, reason, since: null for
--         any; is_replayed: whether they were replayed, null for either; row_limit.
SELECT
    refused.id, refused.run_id, refused.dataset, refused.symbol, refused.function, refused.reason, refused.message,
    refused.received_at, refused.reply_id, kept.params, refused.replayed_at, refused.payload, kept.body
FROM quarantine AS refused
LEFT JOIN raw_replies AS kept ON kept.id = refused.reply_id
WHERE refused.id > %(after)s
  AND (%(id)s::bigint IS NULL OR refused.id = %(id)s)
  AND (%(dataset)s::text IS NULL OR refused.dataset = %(dataset)s)
  AND (%(symbol)s::text IS NULL OR refused.symbol = %(symbol)s)
  AND (%(reason)s::text IS NULL OR refused.reason = %(reason)s)
  AND (%(since)s::timestamptz IS NULL OR refused.received_at >= %(since)s)
  AND (%(is_replayed)s::boolean IS NULL OR (refused.replayed_at IS NOT NULL) = %(is_replayed)s)
ORDER BY refused.id
LIMIT %(row_limit)s;

-- name: quarantine_summaries
-- What is to be said of refused replies without their text, the newest first.
-- Takes   as quarantine_rows, without id and after.
-- Returns how long payload is where it is kept there alone, else null.
SELECT
    id, received_at, dataset, symbol, reason, message, replayed_at,
    CASE WHEN reply_id IS NULL THEN char_length(payload) END AS alone
FROM quarantine
WHERE (%(dataset)s::text IS NULL OR dataset = %(dataset)s)
  AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
ORDER BY received_at DESC, id DESC
LIMIT %(row_limit)s;

-- name: waiting_ids
-- Which refused replies wait for a replay, oldest first, after the given one.
-- Takes   after (an id), dataset and reason (null for any), row_limit.
SELECT id FROM quarantine
WHERE replayed_at IS NULL AND id > %(after)s
  AND (%(dataset)s::text IS NULL OR dataset = %(dataset)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
ORDER BY id
LIMIT %(row_limit)s;

-- name: one_replay_at_a_time
-- Wait for the end of any other replay's transaction: of two replies of a symbol the later one must see the other.
SELECT pg_advisory_xact_lock(hashtextextended('replay', 0));

-- name: claim_quarantine
-- Take a refused reply in hand until the transaction ends, unless it was replayed or is in another's hands.
-- Takes   id.
SELECT
    refused.id, refused.run_id, refused.dataset, refused.symbol, refused.function, refused.reason, refused.message,
    refused.received_at, refused.reply_id, kept.params, refused.replayed_at, refused.payload, kept.body
FROM quarantine AS refused
LEFT JOIN raw_replies AS kept ON kept.id = refused.reply_id
WHERE refused.id = %(id)s AND refused.replayed_at IS NULL
FOR UPDATE OF refused SKIP LOCKED;

-- name: note_replay
-- Note what a replay came to.
-- Takes   id; reason and message of what is refused still, both null where nothing is; stored: whether it had rows.
UPDATE quarantine SET
    reason = coalesce(%(reason)s, reason),
    message = coalesce(%(message)s, message),
    replayed_at = CASE WHEN %(reason)s::text IS NULL THEN now() END,
    stored_at = CASE WHEN %(stored)s THEN now() ELSE stored_at END
WHERE id = %(id)s;

-- name: drop_quarantine
-- Delete refused replies that were not replayed: what was replayed stays, so that no older reply is stored over it.
-- Takes   ids: an array, or null for those with the reason; reason.
DELETE FROM quarantine
WHERE replayed_at IS NULL AND stored_at IS NULL
  AND (id = ANY (%(ids)s::bigint[]) OR (%(ids)s::bigint[] IS NULL AND reason = %(reason)s));

-- name: answered_since
-- Of which symbols something was stored since a reply came, by a run or by the replay of a later reply.
-- Takes   asked: a JSON array of objects with symbol, and session: what was stored of another one does not count, null:
--         all counts; writers: an array of datasets; moment; run_id: the reply's own run, and own_until: up to when what
--         that run wrote is of the reply itself.
SELECT asked.symbol
FROM json_to_recordset(%(asked)s) AS asked (symbol varchar(32) COLLATE "C", session date)
WHERE EXISTS (
    SELECT FROM fetch_outcomes AS line
    WHERE line.dataset = ANY (%(writers)s) AND line.symbol = asked.symbol AND line.finished_at > %(moment)s
      AND line.status IN ('stored', 'stale')
      AND NOT (line.run_id = %(run_id)s AND line.finished_at <= %(own_until)s)
      AND (asked.session IS NULL OR line.session IS NULL OR line.session = asked.session)
) OR EXISTS (
    SELECT FROM quarantine AS later
    WHERE later.dataset = ANY (%(writers)s) AND later.symbol = asked.symbol AND later.received_at > %(moment)s
      AND later.stored_at IS NOT NULL
);
