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
