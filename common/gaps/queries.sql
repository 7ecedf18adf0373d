-- Sessions that the bars lack: which symbols to look at, and what is known of a gap.

-- name: gap_checks
-- The answer up to which each symbol's bars were looked at for gaps, and whether it has a gap.
-- Takes   symbols: a JSON array of strings, each once.
SELECT done.symbol, done.answered_at, EXISTS (
    SELECT FROM bar_gaps AS gap WHERE gap.symbol = done.symbol AND gap.state <> 'repaired'
) AS has_gap
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
INNER JOIN bar_gap_checks AS done ON done.symbol = asked.symbol COLLATE "C";

-- name: missing_sessions
-- The sessions that each symbol has no bar of, between the oldest of its bars that are looked at and its newest.
-- Takes   symbols: a JSON array of strings, each once; sessions: those of their exchange, an array of dates;
--         newest: how many of its newest bars are looked at, or null for all; compact: the bars of a compact series.
-- Returns symbol, the two bars' sessions, the oldest session of a compact series, an array. None for one without bars.
-- A set difference for each symbol, and no join over all of them: the planner could take that for a scan of the table.
SELECT
    asked.symbol, looked.first_session, looked.last_session,
    coalesce((
        SELECT session FROM daily_bars WHERE daily_bars.symbol = asked.symbol COLLATE "C"
        ORDER BY session DESC OFFSET %(compact)s - 1 LIMIT 1
    ), looked.first_session) AS reach,
    ARRAY(
        SELECT session FROM unnest(%(sessions)s::date[]) AS exchange (session)
        WHERE session > looked.first_session AND session < looked.last_session
        EXCEPT
        SELECT session FROM daily_bars
        WHERE daily_bars.symbol = asked.symbol COLLATE "C" AND session > looked.first_session
        ORDER BY session
    ) AS missing
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT min(session) AS first_session, max(session) AS last_session
    FROM (
        SELECT session FROM daily_bars WHERE daily_bars.symbol = asked.symbol COLLATE "C"
        ORDER BY session DESC LIMIT %(newest)s
    ) AS newest
) AS looked
WHERE looked.first_session IS NOT NULL;

-- name: bar_spans
-- The sessions of the oldest and of the newest bar of each symbol that has some.
-- Takes   symbols: a JSON array of strings, each once.
SELECT span.oldest, span.newest
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT min(session) AS oldest, max(session) AS newest FROM daily_bars
    WHERE daily_bars.symbol = asked.symbol COLLATE "C"
) AS span
WHERE span.oldest IS NOT NULL;

-- name: gaps
-- The gaps of symbols that are not repaired.
-- Takes   symbols: a JSON array of strings, each once.
SELECT
    gap.symbol, gap.first_session, gap.last_session, gap.sessions, gap.state, gap.answers, gap.asked_at,
    gap.ask_again_at, gap.word
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
INNER JOIN bar_gaps AS gap ON gap.symbol = asked.symbol COLLATE "C"
WHERE gap.state <> 'repaired'
ORDER BY gap.symbol, gap.first_session;

-- name: listings_of
-- What the last lists say of symbols.
-- Takes   symbols: a JSON array of strings, each once.
SELECT listing.symbol, name, exchange, asset_type, ipo_date, delisting_date, status
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
INNER JOIN listings AS listing ON listing.symbol = asked.symbol COLLATE "C"
WHERE listing.unlisted_at IS NULL;

-- name: forget_gaps
-- Delete gaps that are none of the symbol's own, or a part of a longer one by now.
-- Takes   rows: a JSON array of objects.
DELETE FROM bar_gaps USING json_to_recordset(%(rows)s) AS gone (symbol varchar(32) COLLATE "C", first_session date)
WHERE (bar_gaps.symbol, bar_gaps.first_session) = (gone.symbol, gone.first_session);

-- name: write_gaps
-- Store gaps as they are now; one that says the same is not touched, nor one that a person has marked meanwhile.
-- Takes   rows: a JSON array of objects with the columns' names, each key once.
INSERT INTO bar_gaps AS stored (
    symbol, first_session, last_session, sessions, state, answers, asked_at, ask_again_at, word
)
SELECT symbol, first_session, last_session, sessions, state, answers, asked_at, ask_again_at, word
FROM json_to_recordset(%(rows)s) AS incoming (
    symbol varchar(32) COLLATE "C", first_session date, last_session date, sessions integer, state text,
    answers integer, asked_at timestamptz, ask_again_at timestamptz, word text
)
ORDER BY symbol, first_session
ON CONFLICT (symbol, first_session) DO UPDATE SET
    last_session = excluded.last_session, sessions = excluded.sessions, state = excluded.state,
    answers = excluded.answers, asked_at = excluded.asked_at, ask_again_at = excluded.ask_again_at,
    word = excluded.word, updated_at = now()
WHERE (stored.last_session, stored.state, stored.answers, stored.asked_at, stored.ask_again_at)
    IS DISTINCT FROM
    (excluded.last_session, excluded.state, excluded.answers, excluded.asked_at, excluded.ask_again_at)
  AND NOT (
      stored.state = 'halted' AND stored.last_session = excluded.last_session AND excluded.state IN ('open', 'absent')
  );

-- name: listed_gaps
-- Gaps by symbol, oldest first, and how many in all.
-- Takes   state; symbols: a JSON array of strings; each may be null for any; row_limit.
SELECT
    symbol, first_session, last_session, sessions, state, answers, asked_at, ask_again_at, word, count(*) OVER ()
FROM bar_gaps
WHERE (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(symbols)s::text IS NULL OR symbol IN (SELECT json_array_elements_text(%(symbols)s::json)))
ORDER BY symbol, first_session
LIMIT %(row_limit)s;

-- name: mark_halted
-- Note why a gap is one for ever. Returns it if it is one that a call could fill, or is marked already.
-- Takes   symbol; first_session; word.
UPDATE bar_gaps SET state = 'halted', word = %(word)s, ask_again_at = NULL, updated_at = now()
WHERE symbol = %(symbol)s AND first_session = %(first_session)s AND state IN ('open', 'absent', 'halted')
RETURNING symbol, first_session, last_session, sessions, state, answers, asked_at, ask_again_at, word;

-- name: mark_open
-- Take a mark back: the gap is worth a call from now on. Returns it if it was marked.
-- Takes   symbol; first_session.
UPDATE bar_gaps SET state = 'open', word = NULL, ask_again_at = now(), updated_at = now()
WHERE symbol = %(symbol)s AND first_session = %(first_session)s AND state = 'halted'
RETURNING symbol, first_session, last_session, sessions, state, answers, asked_at, ask_again_at, word;

-- name: write_gap_checks
-- Note up to which answer symbols were looked at.
-- Takes   rows: a JSON array of objects.
INSERT INTO bar_gap_checks (symbol, answered_at)
SELECT symbol, answered_at
FROM json_to_recordset(%(rows)s) AS incoming (symbol varchar(32) COLLATE "C", answered_at timestamptz)
ORDER BY symbol
ON CONFLICT (symbol) DO UPDATE SET answered_at = excluded.answered_at, checked_at = now();

-- name: unresolved_sessions
-- The sessions that many symbols of an exchange lack.
-- Takes   exchange.
SELECT session FROM missing_sessions WHERE exchange = %(exchange)s AND resolved_at IS NULL;

-- name: write_missing_sessions
-- Store what many symbols of an exchange lack, or few of them do by now.
-- Takes   rows: a JSON array of objects.
INSERT INTO missing_sessions AS stored (exchange, session, missing, symbols, resolved_at)
SELECT exchange, session, missing, symbols, CASE WHEN resolved THEN now() END
FROM json_to_recordset(%(rows)s) AS incoming (
    exchange text, session date, missing integer, symbols integer, resolved boolean
)
ORDER BY exchange, session
ON CONFLICT (exchange, session) DO UPDATE SET
    missing = excluded.missing, symbols = excluded.symbols, resolved_at = excluded.resolved_at, updated_at = now()
WHERE (stored.missing, stored.symbols, stored.resolved_at IS NULL)
    IS DISTINCT FROM (excluded.missing, excluded.symbols, excluded.resolved_at IS NULL);

-- name: due_gaps
-- The symbols with gaps that it is time to ask about again, and since when.
-- Takes   symbols: a JSON array of strings, each once; moment; compact: how many bars a compact series has.
-- Returns also whether a compact series spans one of these gaps, and whether only the whole series spans one.
SELECT
    gap.symbol, min(gap.ask_again_at) AS since,
    bool_or(gap.first_session > coalesce(reach.session, '-infinity')) AS within,
    bool_or(gap.first_session <= reach.session) IS TRUE AS beyond
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
INNER JOIN bar_gaps AS gap ON gap.symbol = asked.symbol COLLATE "C" AND gap.ask_again_at <= %(moment)s
LEFT JOIN LATERAL (
    SELECT session FROM daily_bars WHERE daily_bars.symbol = gap.symbol
    ORDER BY session DESC OFFSET %(compact)s - 1 LIMIT 1
) AS reach ON true
GROUP BY gap.symbol;
