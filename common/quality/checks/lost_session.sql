-- Many symbols of an exchange have no bar of a session: the provider lost a day, or the calendar is wrong.
-- severity: warning
-- looks at: exchange
-- threshold: over a twentieth of the symbols, twenty at least (docs/gaps.md)
-- false positives: a day on which the exchange was closed although its calendar does not say so, as Hong Kong was in the
--   typhoons of 2023-09-01 and -08.

-- name: lost_session
-- Reads   missing_sessions alone.
SELECT exchange, session, missing || ' of ' || symbols || ' symbols that were looked at have no bar of it'
FROM missing_sessions
WHERE resolved_at IS NULL;
