-- What the checks of stored values found; the checks themselves are in checks/.

-- name: quality_findings
-- Findings, errors first, then what was opened last.
-- Takes   state: open, acknowledged or resolved; severity; check_name; symbols: a JSON array of strings; each may be
--         null for any; row_limit.
SELECT
    id, check_name, severity, symbol, session, message, first_seen, opened_at, last_seen,
    acknowledged_at, acknowledged_by, acknowledged_word, resolved_at
FROM quality_findings
WHERE (
    %(state)s::text IS NULL
    OR %(state)s = CASE
        WHEN resolved_at IS NOT NULL THEN 'resolved' WHEN acknowledged_at IS NOT NULL THEN 'acknowledged' ELSE 'open'
    END
)
  AND (%(severity)s::text IS NULL OR severity = %(severity)s)
  AND (%(check_name)s::text IS NULL OR check_name = %(check_name)s)
  AND (%(symbols)s::text IS NULL OR symbol IN (SELECT json_array_elements_text(%(symbols)s::json)))
ORDER BY severity, opened_at DESC, symbol, session DESC, id
LIMIT %(row_limit)s;

-- name: count_quality_findings
-- How many findings there are of each severity.
-- Takes   what quality_findings takes, but for row_limit.
SELECT severity, count(*)
FROM quality_findings
WHERE (
    %(state)s::text IS NULL
    OR %(state)s = CASE
        WHEN resolved_at IS NOT NULL THEN 'resolved' WHEN acknowledged_at IS NOT NULL THEN 'acknowledged' ELSE 'open'
    END
)
  AND (%(severity)s::text IS NULL OR severity = %(severity)s)
  AND (%(check_name)s::text IS NULL OR check_name = %(check_name)s)
  AND (%(symbols)s::text IS NULL OR symbol IN (SELECT json_array_elements_text(%(symbols)s::json)))
GROUP BY severity;

-- name: acknowledge_findings
-- Note that a person knows what is open. Returns the ids of those that are.
-- Takes   ids: an array; word; by.
UPDATE quality_findings SET acknowledged_at = now(), acknowledged_word = %(word)s, acknowledged_by = %(by)s
WHERE id = ANY (%(ids)s::bigint[]) AND resolved_at IS NULL
RETURNING id;

-- name: write_quality_findings
-- Write what was found. One that comes back, or has other values, needs another acknowledgement.
-- Takes   rows: a JSON array of objects, each key once.
-- Returns of each whether it was opened by this.
INSERT INTO quality_findings AS stored (check_name, severity, symbol, session, message)
SELECT check_name, severity, symbol, session, message
FROM json_to_recordset(%(rows)s) AS incoming (
    check_name text, severity text, symbol varchar(32) COLLATE "C", session date, message text
)
ORDER BY symbol, check_name, session
ON CONFLICT (symbol, check_name, session) DO UPDATE SET
    severity = excluded.severity,
    message = excluded.message,
    last_seen = now(),
    opened_at = CASE WHEN stored.resolved_at IS NULL THEN stored.opened_at ELSE now() END,
    resolved_at = NULL,
    acknowledged_at = CASE
        WHEN stored.resolved_at IS NULL AND stored.message = excluded.message THEN stored.acknowledged_at
    END,
    acknowledged_by = CASE
        WHEN stored.resolved_at IS NULL AND stored.message = excluded.message THEN stored.acknowledged_by
    END,
    acknowledged_word = CASE
        WHEN stored.resolved_at IS NULL AND stored.message = excluded.message THEN stored.acknowledged_word
    END
RETURNING opened_at = now() AS is_new;

-- name: resolve_findings
-- Resolve what is open where a check looked and did not find it again.
-- Takes   looked: a JSON array of objects, each symbol with the sessions and the checks; found: of objects, the keys.
UPDATE quality_findings AS stored SET resolved_at = now()
FROM json_to_recordset(%(looked)s) AS looked (
    symbol varchar(32) COLLATE "C", first date, last date, check_names text[]
)
WHERE stored.symbol = looked.symbol AND stored.session BETWEEN looked.first AND looked.last
  AND stored.check_name = ANY (looked.check_names) AND stored.resolved_at IS NULL
  AND (stored.symbol, stored.check_name, stored.session) NOT IN (
      SELECT found.symbol, found.check_name, found.session
      FROM json_to_recordset(%(found)s) AS found (symbol varchar(32) COLLATE "C", check_name text, session date)
  );

-- name: pend_symbols
-- Let the checks look at all that is stored of symbols, and where something is open whose row may be gone.
-- Takes   symbols: a JSON array of strings, each once.
INSERT INTO quality_pending AS pending (symbol, first_session, last_session)
SELECT asked.symbol, min(stored.first), max(stored.last)
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT min(session) AS first, max(session) AS last FROM daily_bars
    WHERE daily_bars.symbol = asked.symbol COLLATE "C"
    UNION ALL
    SELECT min(latest_trading_day), max(latest_trading_day) FROM stock_quotes
    WHERE stock_quotes.symbol = asked.symbol COLLATE "C"
    UNION ALL
    SELECT min(ex_date), max(ex_date) FROM corporate_actions
    WHERE corporate_actions.symbol = asked.symbol COLLATE "C"
    UNION ALL
    SELECT min(session), max(session) FROM quality_findings
    WHERE quality_findings.symbol = asked.symbol COLLATE "C" AND resolved_at IS NULL
) AS stored
WHERE stored.first IS NOT NULL
GROUP BY asked.symbol
ORDER BY asked.symbol COLLATE "C"
ON CONFLICT (symbol) DO UPDATE SET
    first_session = least(pending.first_session, excluded.first_session),
    last_session = greatest(pending.last_session, excluded.last_session),
    changed_at = clock_timestamp();

-- name: symbols_with_prices
-- Every symbol that has bars or quotes. Skips from symbol to symbol by the keys.
WITH RECURSIVE with_bars (symbol) AS (
    (SELECT symbol FROM daily_bars ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT bar.symbol FROM daily_bars AS bar WHERE bar.symbol > with_bars.symbol ORDER BY bar.symbol LIMIT 1)
    FROM with_bars
    WHERE with_bars.symbol IS NOT NULL
)

SELECT symbol FROM with_bars WHERE symbol IS NOT NULL
UNION
SELECT symbol FROM latest_quotes
ORDER BY symbol;

-- name: one_check_at_a_time
-- Wait until no other transaction checks: the report of a run and its close then share the work, and see the same.
SELECT pg_advisory_xact_lock(hashtext('quality_pending'));

-- name: look_begins
-- The time up to which a look takes what changed: it would not end otherwise while others write.
SELECT clock_timestamp();

-- name: next_quality_step
-- The symbols to look at next, those that wait longest first, by symbol; always one if any waits.
-- Takes   until: the time up to which it changed; symbol_limit; day_limit: how many days their sessions may span together.
-- Returns symbol, changed_at, read_from, first, last: what changed can have changed what is found of the five bars after
--         it, and to judge the first of these takes the five bars before.
WITH oldest AS (
    SELECT
        symbol, changed_at, first_session, last_session, last_session - first_session AS own_days,
        sum(last_session - first_session + 1) OVER (ORDER BY changed_at, symbol) AS days
    FROM (
        SELECT * FROM quality_pending WHERE changed_at <= %(until)s
        ORDER BY changed_at, symbol LIMIT %(symbol_limit)s
    ) AS pending
)

SELECT
    oldest.symbol, oldest.changed_at,
    coalesce((
        SELECT min(session) FROM (
            SELECT session FROM daily_bars
            WHERE daily_bars.symbol = oldest.symbol AND session < oldest.first_session
            ORDER BY session DESC LIMIT 5
        ) AS earlier
    ), oldest.first_session) AS read_from,
    oldest.first_session AS first,
    coalesce((
        SELECT max(session) FROM (
            SELECT session FROM daily_bars
            WHERE daily_bars.symbol = oldest.symbol AND session > oldest.last_session
            ORDER BY session LIMIT 5
        ) AS later
    ), oldest.last_session) AS last
FROM oldest
WHERE oldest.days - oldest.own_days <= %(day_limit)s
ORDER BY oldest.symbol;

-- name: looked_at
-- Forget what was looked at, but for what changed meanwhile. In the order in which every writer takes its locks.
-- Takes   rows: a JSON array of objects.
DELETE FROM quality_pending WHERE ctid = ANY (ARRAY(
    SELECT pending.ctid
    FROM quality_pending AS pending
    INNER JOIN json_to_recordset(%(rows)s) AS done (symbol varchar(32) COLLATE "C", changed_at timestamptz)
        ON (done.symbol, done.changed_at) = (pending.symbol, pending.changed_at)
    ORDER BY pending.symbol
    FOR UPDATE OF pending
));

-- name: count_pending
-- How many symbols wait for a look.
SELECT count(*) FROM quality_pending;

-- name: quality_relations
-- What a check reads; its own SELECT follows.
-- Takes   scope: a JSON array of objects; calendar: sessions of the exchanges, of those of late with their closes.
-- scope     the symbols to look at, and between which sessions; stale_before: see stale.
-- bars      the bars to judge, quotes the quotes, with the bars' names; prices both.
-- steps     the bars to judge beside the bar before them, which may be one that is not judged.
-- events    the splits and dividends that take effect in a session to judge, with the closes around them.
-- Each reads a range of a key for each symbol: a join could be taken for a scan of the table.
WITH scope AS MATERIALIZED (
    SELECT symbol, exchange, read_from, first, last, stale_before
    FROM json_to_recordset(%(scope)s) AS asked (
        symbol varchar(32) COLLATE "C", exchange text, read_from date, first date, last date, stale_before date
    )
),

calendar AS MATERIALIZED (
    SELECT exchange, session, closed_at
    FROM json_to_recordset(%(calendar)s) AS known (exchange text, session date, closed_at timestamptz)
),

bars AS (
    SELECT
        scope.symbol, scope.exchange, bar.session, bar.open_price, bar.high_price, bar.low_price, bar.close_price,
        bar.volume, bar.updated_at
    FROM scope
    CROSS JOIN LATERAL (
        SELECT * FROM daily_bars
        WHERE daily_bars.symbol = scope.symbol AND session BETWEEN scope.first AND scope.last
        OFFSET 0
    ) AS bar
),

quotes AS (
    SELECT
        scope.symbol, scope.exchange, quote.latest_trading_day AS session, quote.open_price, quote.high_price,
        quote.low_price, quote.price AS close_price, quote.volume, quote.updated_at, quote.data_timestamp
    FROM scope
    CROSS JOIN LATERAL (
        SELECT * FROM stock_quotes
        WHERE stock_quotes.symbol = scope.symbol AND latest_trading_day BETWEEN scope.first AND scope.last
        OFFSET 0
    ) AS quote
),

prices AS (
    SELECT
        'bar' AS source, symbol, exchange, session, open_price, high_price, low_price, close_price, volume,
        (updated_at AT TIME ZONE 'UTC')::date AS stored_on
    FROM bars
    UNION ALL
    SELECT
        'quote', symbol, exchange, session, open_price, high_price, low_price, close_price, volume,
        (updated_at AT TIME ZONE 'UTC')::date
    FROM quotes
),

steps AS (
    SELECT scope.symbol, scope.exchange, bar.*
    FROM scope
    CROSS JOIN LATERAL (
        SELECT
            session, open_price, high_price, low_price, close_price, volume,
            lag(session) OVER by_session AS session_before,
            lag(close_price) OVER by_session AS close_before,
            lag(volume) OVER by_session AS volume_before
        FROM daily_bars
        WHERE daily_bars.symbol = scope.symbol AND session BETWEEN scope.read_from AND scope.last
        WINDOW by_session AS (ORDER BY session)
    ) AS bar
    WHERE bar.session >= scope.first
),

events AS (
    SELECT
        scope.symbol, since.session, since.close_price, before.session AS session_before,
        before.close_price AS close_before, count(action.numerator) AS splits,
        exp(coalesce(
            sum(ln(action.numerator::float8 / action.denominator))
            FILTER (WHERE action.numerator > 0 AND action.denominator > 0), 0
        )) AS shares,
        coalesce(sum(action.amount), 0) AS dividend
    FROM scope
    INNER JOIN corporate_actions AS action
        ON action.symbol = scope.symbol AND action.withdrawn_at IS NULL
        AND action.ex_date BETWEEN scope.read_from AND scope.last
    CROSS JOIN LATERAL (
        SELECT session, close_price FROM daily_bars
        WHERE daily_bars.symbol = scope.symbol AND session >= action.ex_date
        ORDER BY session LIMIT 1
    ) AS since
    CROSS JOIN LATERAL (
        SELECT session, close_price FROM daily_bars
        WHERE daily_bars.symbol = scope.symbol AND session < action.ex_date
        ORDER BY session DESC LIMIT 1
    ) AS before
    WHERE since.session BETWEEN scope.first AND scope.last
    GROUP BY scope.symbol, since.session, since.close_price, before.session, before.close_price
)
