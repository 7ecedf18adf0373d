-- A market of millions of bars, made within PostgreSQL: plausible prices without a fault, but with gaps and actions.
-- Each statement stands below its name; the temporary tables live as long as the session that makes the market.

-- name: universe
-- Takes   symbols; sessions: how many the longest histories have.
-- Two of five symbols have all sessions, the others were listed later. Names are spread over the alphabet.
CREATE TEMPORARY TABLE universe AS
SELECT
    number,
    (
        SELECT string_agg(chr(65 + mod(spread.place / letter, 26)), '' ORDER BY letter DESC)
        FROM unnest(ARRAY[17576, 676, 26, 1]) AS letter
    )::varchar(32) COLLATE "C" AS symbol,
    CASE
        WHEN mod(number, 5) < 2 THEN %(sessions)s
        ELSE %(sessions)s / 50 + mod(number * 7919, %(sessions)s * 29 / 100)
    END AS bars,
    4 * exp(mod(number * 7919, 4800) / 1000.0) AS base,
    mod(number, 628) / 100.0 AS phase
FROM generate_series(0, %(symbols)s - 1) AS number
CROSS JOIN LATERAL (SELECT number * (456976 / %(symbols)s) AS place) AS spread;
ALTER TABLE universe ADD PRIMARY KEY (number);
ANALYZE universe;

CREATE TEMPORARY TABLE bodies (dataset text, function text, place integer, size integer, body bytea);

-- name: calendar
-- Takes   sessions: those of the exchange, an array of dates; the last one is the newest bar's.
CREATE TEMPORARY TABLE calendar AS
SELECT position::integer, session FROM unnest(%(sessions)s::date[]) WITH ORDINALITY AS day (session, position);
ALTER TABLE calendar ADD PRIMARY KEY (position);
ANALYZE calendar;

-- name: splits
-- One of eight symbols splits 2:1 among its bars, one of forty 3:1 later on.
INSERT INTO corporate_actions (symbol, kind, ex_date, seq, numerator, denominator, provider_text)
SELECT universe.symbol, 'split', calendar.session, 0, split.shares, 1, split.shares || '.0000'
FROM universe
CROSS JOIN LATERAL (VALUES (2, 8, 2), (3, 40, 4)) AS split (shares, one_of, part)
CROSS JOIN LATERAL (SELECT max(position) AS last FROM calendar) AS newest
INNER JOIN calendar ON calendar.position = newest.last - universe.bars / split.part + 1
WHERE mod(universe.number, split.one_of) = 0;

-- name: bars
-- Takes   first, before: between which numbers the symbols are.
-- In the order of the key, as a history is loaded. Gaps: one symbol of fifty lacks a session of the last hundred, one
-- of two hundred ten older ones.
INSERT INTO daily_bars (
    symbol, session, open_price, high_price, low_price, close_price, volume, created_at, updated_at
)
SELECT
    symbol, session, round((opened * shares)::numeric, 2),
    round((greatest(opened, closed) * shares * (1 + 0.004 * random()))::numeric, 2),
    round((least(opened, closed) * shares * (1 - 0.004 * random()))::numeric, 2),
    round((closed * shares)::numeric, 2), (1e6 * (0.5 + random()) / shares)::bigint,
    least((session + time '21:30') AT TIME ZONE 'UTC', now()), least((session + time '21:30') AT TIME ZONE 'UTC', now())
FROM (
    SELECT
        universe.symbol, calendar.session, path.level * (1 + 0.008 * (random() - 0.5)) AS opened,
        path.level * (1 + 0.008 * (random() - 0.5)) AS closed,
        CASE WHEN mod(number, 8) = 0 AND age > bars / 2 THEN 2 ELSE 1 END
        * CASE WHEN mod(number, 40) = 0 AND age > bars / 4 THEN 3 ELSE 1 END AS shares
    FROM universe
    CROSS JOIN (SELECT max(position) AS last FROM calendar) AS newest
    INNER JOIN calendar ON calendar.position > newest.last - universe.bars
    CROSS JOIN LATERAL (SELECT newest.last - calendar.position + 1 AS age) AS how_old
    CROSS JOIN LATERAL (
        SELECT base * exp(0.15 * sin(age / 97.0 + phase) + 0.05 * sin(age / 11.0 + 2 * phase) - 0.0002 * age) AS level
    ) AS path
    WHERE number >= %(first)s AND number < %(before)s
      AND NOT (mod(number, 50) = 7 AND age = 20 + mod(number, 70))
      AND NOT (mod(number, 200) = 3 AND age BETWEEN 60 AND 69)
) AS made
ORDER BY symbol, session;

-- name: dividends
-- One of three symbols pays 0.4 % every 63 sessions, of the close before.
INSERT INTO corporate_actions (symbol, kind, ex_date, seq, amount, paid_on, provider_text)
SELECT universe.symbol, 'dividend', calendar.session, 0, paid.amount, calendar.session + 14, paid.amount::text
FROM universe
CROSS JOIN (SELECT max(position) AS last FROM calendar) AS newest
INNER JOIN calendar ON calendar.position > newest.last - universe.bars + 5 AND mod(newest.last - calendar.position, 63) = 31
CROSS JOIN LATERAL (
    SELECT round(close_price * 0.004, 4) AS amount FROM daily_bars AS bar
    WHERE bar.symbol = universe.symbol AND bar.session < calendar.session ORDER BY bar.session DESC LIMIT 1
) AS paid
WHERE mod(universe.number, 3) = 0 AND paid.amount > 0;

-- name: quotes
-- The quotes of the last 63 sessions, day by day as they come.
INSERT INTO stock_quotes (
    symbol, open_price, high_price, low_price, price, volume, latest_trading_day, previous_close, change_amount,
    change_percent, data_timestamp, created_at, updated_at
)
SELECT
    universe.symbol, bar.open_price, bar.high_price, bar.low_price, bar.close_price, bar.volume, bar.session,
    bar.close_before, bar.close_price - bar.close_before,
    round(100 * (bar.close_price - bar.close_before) / bar.close_before, 4), bar.created_at, bar.created_at,
    bar.created_at
FROM universe
CROSS JOIN LATERAL (
    SELECT *, lag(close_price) OVER (ORDER BY session) AS close_before
    FROM (SELECT * FROM daily_bars WHERE symbol = universe.symbol ORDER BY session DESC LIMIT 64) AS newest
) AS bar
WHERE bar.close_before IS NOT NULL
ORDER BY bar.session, universe.symbol;

-- name: listings
-- All symbols are listed; under 3,000 names more are companies that are gone.
INSERT INTO listings (symbol, name, exchange, asset_type, ipo_date, delisting_date, status, first_seen, last_seen)
SELECT
    symbol, 'Company ' || symbol || ' Inc', CASE WHEN mod(number, 3) = 0 THEN 'NYSE' ELSE 'NASDAQ' END,
    CASE WHEN mod(number, 7) = 0 THEN 'ETF' ELSE 'Stock' END, first_session, NULL, 'Active', now() - interval '60 days',
    now() - interval '1 day'
FROM universe
CROSS JOIN LATERAL (SELECT min(session) AS first_session FROM daily_bars WHERE symbol = universe.symbol) AS listed
UNION ALL
SELECT
    symbol || '-GONE', 'Former company ' || symbol, 'NYSE', 'Stock', date '1995-01-03', date '2015-06-30', 'Delisted',
    now() - interval '60 days', now() - interval '1 day'
FROM universe
WHERE number < 3000;

-- name: ledger
-- What became of each symbol in the runs of the last month, for quotes and bars.
INSERT INTO fetch_outcomes (
    run_id, dataset, symbol, status, reason, detail, worker, api_calls, attempts, planned_at, started_at, finished_at,
    batch, place, wanted_session, session
)
SELECT
    feed.prefix || 'scheduled__' || day.session || 'T22:00:00+00:00', feed.dataset, symbol, 'stored', 'inserted', '',
    'worker-1', 1, 1, day.planned_at, planned_at + number * interval '50 ms', planned_at + number * interval '51 ms',
    number / 50 + 1, number, day.session, day.session
FROM (
    SELECT session, least((session + time '22:00') AT TIME ZONE 'UTC', now() - interval '10 minutes') AS planned_at
    FROM calendar ORDER BY position DESC LIMIT 21
) AS day
CROSS JOIN (VALUES ('', 'quotes'), ('history:', 'daily_bars')) AS feed (prefix, dataset)
CROSS JOIN universe
ORDER BY day.session, feed.dataset, number;

-- name: calls
-- The calls of the newest session's runs; older ones are not kept.
INSERT INTO api_calls (permit_id, key_digest, symbol, sent_at, settled_at, dataset)
SELECT md5(run_id || symbol), 'benchmark', symbol, started_at, finished_at, dataset
FROM fetch_outcomes
WHERE session = (SELECT max(session) FROM calendar)
ORDER BY started_at;

-- name: bodies
-- What replies of a dataset look like.
-- Takes   dataset, function; sizes and bodies: arrays, compressed replies and how long they were.
INSERT INTO bodies
SELECT %(dataset)s, %(function)s, place - 1, size, body
FROM unnest(%(sizes)s::integer[], %(bodies)s::bytea[]) WITH ORDINALITY AS reply (size, body, place);

-- name: replies
-- What the provider said in these runs: each body stands for many symbols, and the hashes are made up.
INSERT INTO raw_replies (dataset, function, params, symbol, received_at, last_seen_at, sha256, size, body)
SELECT
    line.dataset, bodies.function, jsonb_build_object('symbol', line.symbol), line.symbol, line.finished_at,
    line.finished_at, sha256(convert_to(line.run_id || line.symbol, 'UTF8')), bodies.size, bodies.body
FROM fetch_outcomes AS line
INNER JOIN bodies ON bodies.dataset = line.dataset
    AND bodies.place = mod(line.place, (SELECT count(*)::integer FROM bodies AS all_of WHERE all_of.dataset = line.dataset))
ORDER BY line.finished_at;
