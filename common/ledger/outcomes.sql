-- What became of each symbol: written, doubted, read, and closed at the end of a run.

-- name: upsert_outcomes
-- Write what became of symbols in a run.
-- Takes   rows: a JSON array of objects, each (run_id, symbol) once; api_calls counts the calls of this attempt.
-- What is stored of an earlier session than the one that the plan wants is stale, and asked for again.
-- A line that says 'stored' is final, so a repeated save changes nothing. The calls of earlier attempts stand in a
-- column of their own, so that writing the same outcome twice does not count its calls twice.
INSERT INTO fetch_outcomes AS line (
    run_id, dataset, symbol, status, reason, detail, worker, api_calls, retry_at, session, finished_at
)
SELECT
    run_id, dataset, symbol, status, reason, detail, worker, api_calls, retry_at, session,
    CASE WHEN status <> 'planned' THEN now() END
FROM json_to_recordset(%(rows)s) AS incoming (
    run_id text, dataset text, symbol varchar(32) COLLATE "C", status text, reason text, detail text, worker text,
    api_calls integer, retry_at timestamptz, session date
)
ORDER BY run_id, symbol
ON CONFLICT (run_id, symbol) DO UPDATE SET
    dataset = excluded.dataset,
    status = CASE
        WHEN excluded.status = 'stored' AND excluded.session < line.wanted_session THEN 'stale'
        ELSE excluded.status
    END,
    reason = CASE
        WHEN excluded.status = 'stored' AND excluded.session < line.wanted_session THEN 'stale'
        ELSE excluded.reason
    END,
    detail = CASE
        WHEN excluded.status = 'stored' AND excluded.session < line.wanted_session
            THEN excluded.detail || '; the session of ' || line.wanted_session || ' is complete, but was not in the reply'
        ELSE excluded.detail
    END,
    session = excluded.session,
    worker = coalesce(nullif(excluded.worker, ''), line.worker),
    api_calls = line.earlier_calls + excluded.api_calls,
    retry_at = excluded.retry_at,
    finished_at = excluded.finished_at
WHERE line.status <> 'stored';

-- name: doubt_unknown
-- A symbol that has rows is not unknown because the provider says so once.
-- Takes   run_id, dataset; symbols: an array, those whose lines were just written as unknown_symbol; days: on how many
--         days the provider has to say so, since it last gave data, before it is believed.
-- Days are counted, not answers: a night's retries are one. Those of an outage are not among them (see outage).
WITH doubted AS (
    SELECT line.symbol, newest.day, said.days + 1 AS days
    FROM fetch_outcomes AS line
    CROSS JOIN LATERAL (
        SELECT greatest(
            (SELECT max(latest_trading_day) FROM stock_quotes WHERE stock_quotes.symbol = line.symbol),
            (SELECT max(session) FROM daily_bars WHERE daily_bars.symbol = line.symbol)
        ) AS day
    ) AS newest
    CROSS JOIN LATERAL (
        SELECT count(DISTINCT (earlier.finished_at AT TIME ZONE 'UTC')::date) AS days
        FROM fetch_outcomes AS earlier
        WHERE earlier.dataset = %(dataset)s AND earlier.symbol = line.symbol AND earlier.reason = 'no_data'
          AND earlier.finished_at < date_trunc('day', now(), 'UTC')
          AND earlier.finished_at > coalesce(
              (
                  SELECT max(finished_at) FROM fetch_outcomes AS data
                  WHERE data.dataset = %(dataset)s AND data.symbol = line.symbol AND data.status IN ('stored', 'stale')
              ),
              '-infinity'
          )
    ) AS said
    WHERE line.run_id = %(run_id)s AND line.symbol = ANY (%(symbols)s)
      AND line.status = 'failed' AND line.reason = 'unknown_symbol'
      AND newest.day IS NOT NULL AND said.days + 1 < %(days)s
)

UPDATE fetch_outcomes AS line
SET reason = 'no_data',
    detail = 'The provider gave no data, though its rows reach up to ' || doubted.day || '. It is asked again in the next '
    || 'run, and counts as unknown once this was so on ' || %(days)s || ' days; this is day ' || doubted.days || '.'
FROM doubted
WHERE line.run_id = %(run_id)s AND line.symbol = doubted.symbol;

-- name: outage
-- Where many symbols that have rows are answered with nothing, the provider is out and no symbol is unknown.
-- Takes   run_id; least, share: how many, and more than which part (0 to 1) of those that are answered at all.
-- Returns the symbols whose lines say so from now on. What never had data may be unknown, and is not counted; but in an
-- outage the same is said of it.
WITH counted AS (
    SELECT count(*) FILTER (WHERE reason IN ('no_data', 'provider_outage')) AS empty,
        count(*) FILTER (WHERE status IN ('stored', 'stale')) AS stored
    FROM fetch_outcomes
    WHERE run_id = %(run_id)s
),

hit AS (
    SELECT line.symbol
    FROM fetch_outcomes AS line
    CROSS JOIN counted
    WHERE line.run_id = %(run_id)s AND line.status = 'failed' AND line.api_calls > 0
      AND line.reason IN ('no_data', 'unknown_symbol')
      AND counted.empty >= %(least)s AND counted.empty > %(share)s * (counted.empty + counted.stored)
    ORDER BY line.symbol
    FOR UPDATE OF line
)

UPDATE fetch_outcomes AS line
SET reason = 'provider_outage',
    detail = 'Many symbols of this run were answered with nothing although they have rows: an outage of the provider.'
FROM hit
WHERE line.run_id = %(run_id)s AND line.symbol = hit.symbol
RETURNING line.symbol;

-- name: outcomes
-- The ledger lines of a run, by symbol.
-- Takes   run_id; symbol: that one's line only, or null; batch: the lines of that batch only, or null.
SELECT run_id, symbol, status, reason, detail, worker, api_calls, retry_at, dataset
FROM fetch_outcomes
WHERE run_id = %(run_id)s
  AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
  AND (%(batch)s::integer IS NULL OR batch = %(batch)s)
ORDER BY symbol;

-- name: stored
-- Of how many symbols a run has stored rows, and the newest session among them.
-- Takes   run_id.
SELECT count(*), max(session) FROM fetch_outcomes WHERE run_id = %(run_id)s AND status IN ('stored', 'stale');

-- name: halted_by
-- The first ledger line of a run that ended for a reason which no other symbol can escape.
-- Takes   run_id; reasons: an array of the reason codes.
SELECT run_id, symbol, status, reason, detail, worker, api_calls, retry_at, dataset
FROM fetch_outcomes
WHERE run_id = %(run_id)s AND status = 'failed' AND reason = ANY (%(reasons)s)
ORDER BY finished_at
LIMIT 1;
