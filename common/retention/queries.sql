-- The deletion of old rows, one step of a table, and what is never deleted.

-- name: bound_step
-- Let this transaction wait for no lock and hold its own for a bounded time only.
-- Takes   lock_ms, step_ms.
-- The disk is not waited for: after a crash of the server the next run deletes those rows again.
SET LOCAL lock_timeout = %(lock_ms)s;
SET LOCAL statement_timeout = %(step_ms)s;
SET LOCAL synchronous_commit = off;

-- name: delete_old_rows
-- Delete one step of the rows that are older than so many whole days, from an age on; with 0 days today's too.
-- Takes   table, age, spared, as SQL; since: the age to begin with; days, row_limit.
-- Returns how many were deleted, and the age of the last one.
-- Rows that another transaction holds are left to the next run. Without `since` each step would read again, in the
-- index, what the steps before it have deleted.
WITH deleted AS (
    DELETE FROM {table} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {table} AS old
        WHERE {age} >= %(since)s AND {age} < current_date - %(days)s + (%(days)s = 0)::integer AND NOT {spared}
        ORDER BY {age}
        LIMIT %(row_limit)s FOR UPDATE SKIP LOCKED
    ))
    RETURNING {age} AS age
)

SELECT count(*), max(age) FROM deleted;

-- name: nothing_spared
-- A condition on a row (old): never.
false

-- name: run_is_open
-- A condition on a ledger line (old): its run has lines without an outcome, so it goes on or is to be closed.
EXISTS (SELECT FROM fetch_outcomes AS line WHERE line.run_id = old.run_id AND line.status = 'planned')

-- name: quarantine_points_at_it
-- A condition on a reply (old): it is what quarantine has of a refused one.
EXISTS (SELECT FROM quarantine WHERE quarantine.reply_id = old.id)

-- name: message_waits
-- A condition on a message (old): it is neither sent nor given up.
old.sent_at IS NULL AND old.lost_at IS NULL
