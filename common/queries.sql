-- name: newest_quotes
-- The newest quote of each symbol, by symbol.
-- Takes   symbols: an array, or null for every symbol there is; row_limit.
SELECT DISTINCT ON (symbol)
    symbol, open_price, high_price, low_price, price, volume, latest_trading_day,
    previous_close, change_amount, change_percent, data_timestamp
FROM stock_quotes
WHERE %(symbols)s::text[] IS NULL OR symbol = ANY (%(symbols)s::text[])
ORDER BY symbol, latest_trading_day DESC
LIMIT %(row_limit)s;

-- name: unexplained_jumps
-- Symbols whose close has lately jumped as in a split, without one that is stored, and when the last such bar arrived.
-- Takes   symbols: a JSON array of strings, each once.
-- Of the last 20 sessions; the bounds let pass what a bad day does to a share, and catch splits from 3:2 on.
SELECT asked.symbol, max(step.created_at) AS seen_at
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT
        session, created_at, close_price,
        lag(session) OVER by_session AS session_before, lag(close_price) OVER by_session AS close_before
    FROM (
        SELECT session, created_at, close_price FROM daily_bars
        WHERE daily_bars.symbol = asked.symbol COLLATE "C"
        ORDER BY session DESC LIMIT 21
    ) AS recent
    WINDOW by_session AS (ORDER BY session)
) AS step
WHERE step.close_before > 0 AND step.close_price / step.close_before NOT BETWEEN 0.67 AND 1.5
  AND NOT EXISTS (
      SELECT FROM corporate_actions AS action
      WHERE action.symbol = asked.symbol COLLATE "C" AND action.kind = 'split' AND action.withdrawn_at IS NULL
        AND action.ex_date > step.session_before AND action.ex_date <= step.session
  )
GROUP BY asked.symbol;

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

-- name: waiting_quarantine
-- The refused replies that were not replayed yet, oldest first; with body it is whole, and payload how it begins.
-- Takes   row_limit.
SELECT
    refused.id, refused.run_id, refused.dataset, refused.symbol, refused.function, refused.reason, refused.message,
    refused.received_at, refused.payload, kept.body
FROM quarantine AS refused
LEFT JOIN raw_replies AS kept ON kept.id = refused.reply_id
WHERE refused.replayed_at IS NULL
ORDER BY refused.id
LIMIT %(row_limit)s;

-- name: mark_replayed
-- Note that a refused reply was taken up again.
-- Takes   id.
UPDATE quarantine SET replayed_at = now() WHERE id = %(id)s AND replayed_at IS NULL;

-- name: delete_old_stock_quotes
-- Delete one batch of the rows that are older than the retention allows.
-- Takes   days, row_limit.
-- Rows that another cleaning holds are left to it.
DELETE FROM stock_quotes WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM stock_quotes WHERE latest_trading_day < current_date - %(days)s
    LIMIT %(row_limit)s FOR UPDATE SKIP LOCKED
));

-- name: delete_old_fetch_outcomes
-- Delete one batch of the rows that are older than the retention allows.
-- Takes   days, row_limit.
-- Rows that another cleaning holds are left to it.
DELETE FROM fetch_outcomes WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM fetch_outcomes WHERE planned_at < now() - make_interval(days => %(days)s)
    LIMIT %(row_limit)s FOR UPDATE SKIP LOCKED
));

-- name: delete_old_quarantine
-- Delete one batch of the rows that are older than the retention allows.
-- Takes   days, row_limit.
-- Rows that another cleaning holds are left to it.
DELETE FROM quarantine WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM quarantine WHERE created_at < now() - make_interval(days => %(days)s)
    LIMIT %(row_limit)s FOR UPDATE SKIP LOCKED
));

-- name: delete_old_api_calls
-- Delete one batch of the rows that are older than the retention allows.
-- Takes   days, row_limit.
-- Rows that another cleaning holds are left to it.
DELETE FROM api_calls WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM api_calls WHERE sent_at < now() - make_interval(days => %(days)s)
    LIMIT %(row_limit)s FOR UPDATE SKIP LOCKED
));
