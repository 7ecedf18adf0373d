-- name: rebatch_run
-- Give the lines that a run has the batches of its new plan, and none to those that are not in it.
-- Takes   run_id; rows: a JSON array of objects, the plan.
-- Also a line that was settled since the plan looked: its task finds it settled, and not no line at all.
-- The planner takes the plan for a hundred rows and a new run for few: by chance it could compare each of 50,000 lines
-- with each, which a statement has no time for.
SET LOCAL enable_nestloop = off;

WITH planned AS (
    SELECT line.symbol, incoming.batch, incoming.place
    FROM fetch_outcomes AS line
    LEFT JOIN json_to_recordset(%(rows)s) AS incoming (
        symbol varchar(32) COLLATE "C", batch integer, place integer
    ) ON incoming.symbol = line.symbol
    WHERE line.run_id = %(run_id)s
    ORDER BY line.symbol
    FOR UPDATE OF line
)

UPDATE fetch_outcomes AS line SET batch = planned.batch, place = planned.place
FROM planned
WHERE line.run_id = %(run_id)s AND line.symbol = planned.symbol
  AND (line.batch, line.place) IS DISTINCT FROM (planned.batch, planned.place);

-- name: plan_run
-- Write a run's plan to the ledger, a line for each symbol.
-- Takes   run_id; rows: a JSON array of objects, each symbol once: 'planned', or how it ends without a call.
--         again: whether a person has the whole run done again, so that no line counts as settled.
-- A line that is settled stays as it is, and so does one that says the same already (it may be in work); their batches
-- are the plan's by then (rebatch_run). One that failed in an earlier pass, or whose postponement is over, takes what
-- this plan says; its attempts and calls go on counting.
INSERT INTO fetch_outcomes AS line (
    run_id, dataset, symbol, status, reason, detail, retry_at, batch, place, wanted_session, finished_at
)
SELECT
    %(run_id)s, dataset, symbol, status, reason, detail, retry_at, batch, place, wanted_session,
    CASE WHEN status <> 'planned' THEN now() END
FROM json_to_recordset(%(rows)s) AS incoming (
    dataset text, symbol varchar(32) COLLATE "C", status text, reason text, detail text, retry_at timestamptz,
    batch integer, place integer, wanted_session date
)
ORDER BY symbol
ON CONFLICT (run_id, symbol) DO UPDATE SET
    dataset = excluded.dataset,
    status = excluded.status, reason = excluded.reason, detail = excluded.detail, retry_at = excluded.retry_at,
    wanted_session = excluded.wanted_session, planned_at = now(), started_at = NULL, finished_at = excluded.finished_at
WHERE line.status <> excluded.status
  AND (
      %(again)s OR line.status IN ('planned', 'failed', 'quarantined', 'stale')
      OR (line.status = 'postponed' AND line.retry_at <= now())
  );

-- name: start
-- Mark that a worker takes up symbols of a run.
-- Takes   run_id, dataset; symbols: an array, each once; worker.
-- Returns the symbols that there is work to do on; not those that are settled already.
-- A symbol that was postponed is open again once its moment has come.
INSERT INTO fetch_outcomes AS line (run_id, dataset, symbol, status, worker, attempts, started_at)
SELECT %(run_id)s, %(dataset)s, symbol, 'planned', %(worker)s, 1, now()
FROM unnest(%(symbols)s::text []) AS taken (symbol)
ORDER BY symbol COLLATE "C"
ON CONFLICT (run_id, symbol) DO UPDATE SET
    status = 'planned', reason = '', detail = '', retry_at = NULL,
    worker = excluded.worker,
    attempts = line.attempts + 1,
    earlier_calls = line.api_calls,
    started_at = now(),
    finished_at = NULL
WHERE line.status IN ('planned', 'failed', 'quarantined', 'stale')
   OR (line.status = 'postponed' AND line.retry_at <= now())
RETURNING line.symbol;

-- name: reopen_batch
-- Make what failed of a batch ready for another try; what it has cost so far goes on counting.
-- Takes   run_id, batch; retryable, halted: arrays of reason codes; cleared: Airflow says that a person asked for it;
--         force: then what is stored is done again, too.
-- Returns whether a person asked for it: then everything that failed is reopened, else what can heal.
-- A task is not tried again by itself once the run was halted, or when nothing of its batch is left that could heal:
-- so a person cleared it, whatever Airflow says.
WITH lines AS (
    SELECT symbol, status, reason, retry_at
    FROM fetch_outcomes
    WHERE run_id = %(run_id)s AND batch = %(batch)s
),

asked AS (
    SELECT
        %(cleared)s
        OR coalesce(bool_or(status = 'failed' AND reason = ANY (%(halted)s)), FALSE)
        OR NOT coalesce(bool_or(
            status IN ('planned', 'quarantined', 'stale')
            OR (status = 'failed' AND reason = ANY (%(retryable)s))
            OR (status = 'postponed' AND retry_at <= now())
        ), FALSE) AS by_a_person
    FROM lines
),

reopened AS (
    UPDATE fetch_outcomes AS line
    SET status = 'planned', reason = '', detail = '', retry_at = NULL, finished_at = NULL, earlier_calls = line.api_calls
    FROM asked
    WHERE line.run_id = %(run_id)s AND line.batch = %(batch)s
      AND (
          line.status IN ('quarantined', 'stale')
          OR (line.status = 'failed' AND (asked.by_a_person OR line.reason = ANY (%(retryable)s)))
          OR (line.status = 'postponed' AND (%(cleared)s OR line.retry_at <= now()))
          OR (line.status = 'stored' AND %(cleared)s AND %(force)s)
      )
    RETURNING line.symbol
)

SELECT by_a_person FROM asked;

-- name: claim_batch
-- Take up the symbols of a batch that are to be done. A pass that had taken them up before has lost them.
-- Takes   run_id, batch, worker.
-- Returns each symbol with the number of its claim and its dataset, in the plan's order.
-- Locked by key first: two writers take their locks in one order and cannot deadlock.
WITH due AS (
    SELECT symbol
    FROM fetch_outcomes
    WHERE run_id = %(run_id)s AND batch = %(batch)s AND status = 'planned'
    ORDER BY symbol
    FOR UPDATE
),

claimed AS (
    UPDATE fetch_outcomes AS line
    SET worker = %(worker)s, attempts = line.attempts + 1, earlier_calls = line.api_calls, started_at = now()
    FROM due
    WHERE line.run_id = %(run_id)s AND line.symbol = due.symbol
    RETURNING line.symbol, line.attempts, line.dataset, line.place
)

SELECT symbol, attempts, dataset
FROM claimed
ORDER BY place;

-- name: held_claims
-- What became of symbols that a pass has claimed: those that are still to be done, or that it has lost.
-- Takes   run_id; symbols, claims: arrays of the same length, each symbol once.
-- Returns symbol, held (else another pass has claimed it since).
SELECT line.symbol, line.attempts = asked.claim AS held
FROM unnest(%(symbols)s::text [], %(claims)s::integer []) AS asked (symbol, claim)
JOIN fetch_outcomes AS line ON line.run_id = %(run_id)s AND line.symbol = asked.symbol COLLATE "C"
WHERE line.status = 'planned' OR line.attempts <> asked.claim;

-- name: single_symbol
-- The symbol of a batch, whatever became of it, where each symbol of the run has a batch of its own.
-- Takes   run_id, batch.
-- Returns no row for a batch of a run with larger ones, though only one symbol may be in it, or left of it.
SELECT min(symbol) AS symbol -- the one that there is
FROM fetch_outcomes
WHERE run_id = %(run_id)s AND batch = %(batch)s
HAVING count(*) = 1 AND min(place) = %(batch)s - 1;

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

-- name: halted_by
-- The first ledger line of a run that ended for a reason which no other symbol can escape.
-- Takes   run_id; reasons: an array of the reason codes.
SELECT run_id, symbol, status, reason, detail, worker, api_calls, retry_at, dataset
FROM fetch_outcomes
WHERE run_id = %(run_id)s AND status = 'failed' AND reason = ANY (%(reasons)s)
ORDER BY finished_at
LIMIT 1;

-- name: open_runs
-- The other runs of a dataset that have lines without an outcome.
-- Takes   run_id: the run that asks.
-- One symbol on the command line takes minutes at most; within the hour it may still be at work.
SELECT DISTINCT run_id
FROM fetch_outcomes
WHERE status = 'planned' AND run_id <> %(run_id)s
  AND (run_id NOT LIKE 'cli\_\_%%' OR planned_at < now() - interval '1 hour');

-- name: close_run
-- End what a run left open, because none of its tasks will come back to it.
-- Takes   run_id; not_attempted, interrupted: a reason code and a sentence each, as reason and as *_detail.
-- Returns the symbols. A task that ends later all the same writes its outcome over this one.
WITH open_lines AS (
    SELECT symbol FROM fetch_outcomes
    WHERE run_id = %(run_id)s AND status = 'planned'
    ORDER BY symbol
    FOR UPDATE
)

UPDATE fetch_outcomes AS line SET
    status = 'failed',
    reason = CASE WHEN line.started_at IS NULL THEN %(not_attempted)s ELSE %(interrupted)s END,
    detail = CASE WHEN line.started_at IS NULL THEN %(not_attempted_detail)s ELSE %(interrupted_detail)s END,
    finished_at = now()
FROM open_lines
WHERE line.run_id = %(run_id)s AND line.symbol = open_lines.symbol
RETURNING line.symbol;

-- name: last_attempts
-- When a call was last spent on each symbol, with what result, and since when it waits for its turn.
-- Takes   dataset; symbols: a JSON array of strings, each once.
-- Returns a row for each symbol that has one of the two.
-- What failed without a call says nothing new; a row that came with another symbol's call counts no call of its own.
SELECT asked.symbol, attempt.finished_at, attempt.status, attempt.reason, waiting.postponed_at
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
LEFT JOIN LATERAL (
    SELECT finished_at, status, reason FROM fetch_outcomes
    WHERE dataset = %(dataset)s AND fetch_outcomes.symbol = asked.symbol COLLATE "C"
      AND status IN ('stored', 'stale', 'quarantined', 'failed')
      AND (status <> 'failed' OR api_calls > 0)
    ORDER BY finished_at DESC LIMIT 1
) AS attempt ON true
LEFT JOIN LATERAL (
    SELECT min(finished_at) AS postponed_at FROM fetch_outcomes
    WHERE dataset = %(dataset)s AND fetch_outcomes.symbol = asked.symbol COLLATE "C" AND status = 'postponed'
      AND finished_at > coalesce(attempt.finished_at, '-infinity')
) AS waiting ON true
WHERE attempt.finished_at IS NOT NULL OR waiting.postponed_at IS NOT NULL;

-- name: record_call
-- Note that a call is about to be sent. The same permit again changes nothing.
-- Takes   permit_id, key_digest, dataset, symbol (or null).
INSERT INTO api_calls (permit_id, key_digest, dataset, symbol)
VALUES (%(permit_id)s, %(key_digest)s, %(dataset)s, %(symbol)s)
ON CONFLICT (permit_id) DO NOTHING;

-- name: settle_call
-- Note that a call's reply, or its failure, was seen.
-- Takes   permit_id.
UPDATE api_calls SET settled_at = greatest(now(), sent_at) WHERE permit_id = %(permit_id)s AND settled_at IS NULL;

-- name: forget_call
-- Take back the note of a call that was never sent. One that was settled stays.
-- Takes   permit_id.
DELETE FROM api_calls WHERE permit_id = %(permit_id)s AND settled_at IS NULL;

-- name: calls_since
-- The calls of a key that the provider may have counted within the last seconds, oldest first.
-- Takes   key_digest, seconds.
-- Returns ages in seconds on this server's clock, so that no two clocks are compared.
SELECT permit_id, extract(epoch FROM now() - coalesce(settled_at, sent_at))::float8 AS age_s
FROM api_calls
WHERE key_digest = %(key_digest)s AND coalesce(settled_at, sent_at) > now() - make_interval(secs => %(seconds)s)
ORDER BY coalesce(settled_at, sent_at), permit_id;

-- name: count_calls
-- How many calls of a key were for a dataset within the last seconds.
-- Takes   key_digest, dataset, seconds.
SELECT count(*)
FROM api_calls
WHERE key_digest = %(key_digest)s AND dataset = %(dataset)s
  AND coalesce(settled_at, sent_at) > now() - make_interval(secs => %(seconds)s);

-- name: ever_called
-- Whether any call was ever made, as far as this database knows.
-- Returns one row with one boolean.
SELECT EXISTS (SELECT FROM api_calls) OR EXISTS (SELECT FROM fetch_outcomes WHERE api_calls > 0);

-- name: feature_refused_at
-- Since when the provider refuses a feature to a key under its plan.
-- Takes   key_digest, plan, feature; holds_for: the interval after which a refusal holds no more.
-- Returns no row where none holds.
SELECT refused_at
FROM refused_features
WHERE key_digest = %(key_digest)s AND feature = %(feature)s AND plan = %(plan)s
  AND refused_at > now() - %(holds_for)s;

-- name: may_ask_for_feature
-- Whether a call for a feature makes sense; where its refusal is over, one caller is told so and the others are not.
-- Takes   key_digest, plan, feature, holds_for; ask_again_after: the interval within which that one has to answer.
WITH taken AS (
    UPDATE refused_features
    SET asked_again_at = now()
    WHERE key_digest = %(key_digest)s AND feature = %(feature)s AND plan = %(plan)s
      AND refused_at <= now() - %(holds_for)s
      AND (asked_again_at IS NULL OR asked_again_at <= now() - %(ask_again_after)s)
    RETURNING feature
)

SELECT EXISTS (SELECT FROM taken) OR NOT EXISTS (
    SELECT FROM refused_features
    WHERE key_digest = %(key_digest)s AND feature = %(feature)s AND plan = %(plan)s
);

-- name: refuse_feature
-- Remember that the provider refuses a feature to a key under its plan.
-- Takes   key_digest, plan, feature, message, holds_for.
-- Returns until when that holds, or no row where it was known: a refusal that holds stays as it is.
INSERT INTO refused_features AS known (key_digest, feature, plan, message)
VALUES (%(key_digest)s, %(feature)s, %(plan)s, %(message)s)
ON CONFLICT (key_digest, feature) DO UPDATE SET
    plan = excluded.plan, message = excluded.message, refused_at = now(), asked_again_at = NULL
WHERE known.plan <> excluded.plan OR known.refused_at <= now() - %(holds_for)s
RETURNING refused_at + %(holds_for)s;

-- name: allow_feature
-- Forget what the provider refused to a key: it does it now.
-- Takes   key_digest, feature.
DELETE FROM refused_features WHERE key_digest = %(key_digest)s AND feature = %(feature)s;
