-- The outbox of messages to people. An event is told to an address once; a message may tell several events.

-- name: add_notifications
-- Keep a message for each address about each event that it was not told yet.
-- Takes   message_id, topic; events, addresses: arrays.
-- Returns the events that are new to some address; write_notification gives them their text.
INSERT INTO notifications (event, address, message_id, topic)
SELECT event, address, %(message_id)s, %(topic)s
FROM unnest(%(events)s::text []) AS told (event)
CROSS JOIN unnest(%(addresses)s::text []) AS asked (address)
ORDER BY event COLLATE "C", address COLLATE "C"
ON CONFLICT (event, address) DO NOTHING
RETURNING event;

-- name: write_notification
-- Give a new message its text.
-- Takes   message_id, kind, title, body.
UPDATE notifications SET kind = %(kind)s, title = %(title)s, body = %(body)s WHERE message_id = %(message_id)s;

-- name: take_notifications
-- Take the messages that wait for some addresses; nobody else gets them before the lease ends.
-- Takes   addresses: an array; lease_s.
-- Returns each message once for each address, the oldest first.
WITH due AS (
    SELECT event, address
    FROM notifications
    WHERE sent_at IS NULL AND lost_at IS NULL AND address = ANY (%(addresses)s::text [])
      AND (leased_until IS NULL OR leased_until < now())
    ORDER BY event, address
    FOR UPDATE SKIP LOCKED
),

taken AS (
    UPDATE notifications AS line
    SET tries = line.tries + 1, leased_until = now() + make_interval(secs => %(lease_s)s)
    FROM due
    WHERE line.event = due.event AND line.address = due.address
    RETURNING line.message_id, line.address, line.kind, line.title, line.body, line.created_at
)

SELECT message_id, address, kind, title, body
FROM taken
GROUP BY message_id, address, kind, title, body
ORDER BY min(created_at), message_id, address;

-- name: settle_notification
-- Note that a message was sent to an address or, where error is not empty, why it was not.
-- Takes   message_id, address, error.
UPDATE notifications
SET sent_at = CASE WHEN %(error)s = '' THEN now() END, error = %(error)s, leased_until = NULL
WHERE message_id = %(message_id)s AND address = %(address)s;

-- name: give_up_notifications
-- Give up messages that have waited for too long.
-- Takes   lost_after_s.
-- Returns the address and the title of each.
WITH given_up AS (
    UPDATE notifications SET lost_at = now()
    WHERE sent_at IS NULL AND lost_at IS NULL AND created_at < now() - make_interval(secs => %(lost_after_s)s)
    RETURNING message_id, address, title
)

SELECT address, title FROM given_up GROUP BY message_id, address, title ORDER BY address, title;

-- name: told_events
-- The events of a topic whose names begin so.
-- Takes   topic, prefix.
SELECT DISTINCT event FROM notifications WHERE topic = %(topic)s AND starts_with(event, %(prefix)s);

-- name: unsent_notifications
-- For how many addresses a message about one of the events still waits.
-- Takes   events: an array.
SELECT count(DISTINCT address) FROM notifications
WHERE event = ANY (%(events)s::text []) AND sent_at IS NULL AND lost_at IS NULL;

-- name: waiting_notifications
-- How many messages wait, and since when the oldest one does.
SELECT count(DISTINCT (message_id, address)), min(created_at) FROM notifications
WHERE sent_at IS NULL AND lost_at IS NULL;

-- name: last_notifications
-- When each kind of message of a topic was made last.
-- Takes   topic; but: an array of events that are left out.
SELECT kind, max(created_at)
FROM notifications
WHERE topic = %(topic)s AND event <> ALL (%(but)s::text [])
GROUP BY kind;
