-- What the Market page reads, as market_reader. Every statement is bounded: by a limit, one symbol, or a span of time.

-- name: versions
-- Numbers that change with the tables: who reads the same ones twice has nothing new to compute.
-- Takes   tables: an array of names.
-- PostgreSQL counts each table's changes anyway, but tells them up to ten seconds late. What a run stores it stores
-- together with its line of the ledger, so there are the lines that are open, and the time of the newest plan, too.
SELECT relname, n_tup_ins + n_tup_upd + n_tup_del AS number
FROM pg_stat_user_tables
WHERE relname = ANY (%(tables)s)
UNION ALL
SELECT 'open', count(*) FROM fetch_outcomes WHERE status = 'planned'
UNION ALL
SELECT 'plan', (extract(epoch FROM max(planned_at)) * 1000000)::bigint FROM fetch_outcomes;

-- name: overview
-- A row for each symbol of the newest plan, and for each that has rows: the newest price, and what became of it last.
-- Takes   row_limit; others: patterns of the runs that are no quotes' run.
-- What became of it last is that of the dataset which the newest quotes' run asked for: quotes, or bars in their place.
-- Quotes are kept for a while, bars for ever: where a bar is newer, it says the price, and its change is since the
-- close of the session before, in today's shares. There is no table of symbols: the recursions step down the keys.
WITH RECURSIVE quoted (symbol) AS (
    (SELECT symbol FROM stock_quotes ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT later.symbol FROM stock_quotes AS later WHERE later.symbol > quoted.symbol ORDER BY later.symbol LIMIT 1)
    FROM quoted
    WHERE quoted.symbol IS NOT NULL
),

charted (symbol) AS (
    (SELECT symbol FROM daily_bars ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT later.symbol FROM daily_bars AS later WHERE later.symbol > charted.symbol ORDER BY later.symbol LIMIT 1)
    FROM charted
    WHERE charted.symbol IS NOT NULL
),

newest_plan AS (
    SELECT run_id, dataset FROM fetch_outcomes
    WHERE NOT run_id LIKE ANY (%(others)s)
    ORDER BY planned_at DESC LIMIT 1
),

universe AS (
    SELECT symbol FROM quoted WHERE symbol IS NOT NULL
    UNION
    SELECT symbol FROM charted WHERE symbol IS NOT NULL
    UNION
    SELECT line.symbol FROM newest_plan INNER JOIN fetch_outcomes AS line USING (run_id)
    ORDER BY symbol
    LIMIT %(row_limit)s
)

SELECT
    universe.symbol,
    listing.name,
    trim_scale(coalesce(bar.close_price, quote.price)) AS price,
    CASE
        WHEN bar.session IS NULL THEN trim_scale(quote.change_amount)
        ELSE trim_scale(bar.close_price - before.close_price)
    END AS change,
    CASE
        WHEN bar.session IS NULL THEN trim_scale(quote.change_percent)
        ELSE trim_scale(round(100 * (bar.close_price / nullif(before.close_price, 0) - 1), 4))
    END AS change_percent,
    coalesce(bar.volume, quote.volume) AS volume,
    coalesce(bar.session, quote.latest_trading_day) AS session,
    coalesce(bar.updated_at, quote.data_timestamp) AS fetched_at,
    CASE WHEN last.status = 'stored' AND last.reason = 'unchanged' THEN 'unchanged' ELSE last.status END AS state,
    CASE WHEN last.reason NOT IN ('inserted', 'updated', 'unchanged', '') THEN last.reason END AS reason
FROM universe
LEFT JOIN LATERAL (
    SELECT price, change_amount, change_percent, volume, latest_trading_day, data_timestamp
    FROM stock_quotes WHERE stock_quotes.symbol = universe.symbol
    ORDER BY latest_trading_day DESC LIMIT 1
) AS quote ON true
LEFT JOIN LATERAL (
    SELECT session, close_price, volume, updated_at
    FROM daily_bars
    WHERE daily_bars.symbol = universe.symbol AND session > coalesce(quote.latest_trading_day, '-infinity')
    ORDER BY session DESC LIMIT 1
) AS bar ON true
LEFT JOIN LATERAL (
    SELECT round(earlier.close_price * coalesce(segment.split_factor, 1), 6) AS close_price
    FROM daily_bars AS earlier
    LEFT JOIN adjustment_factors AS segment
        ON segment.symbol = earlier.symbol
        AND earlier.session >= segment.valid_from AND earlier.session < segment.valid_before
    WHERE earlier.symbol = universe.symbol AND earlier.session < bar.session
    ORDER BY earlier.session DESC LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT status, reason FROM fetch_outcomes
    WHERE fetch_outcomes.dataset = coalesce((SELECT dataset FROM newest_plan), 'quotes')
      AND fetch_outcomes.symbol = universe.symbol AND finished_at IS NOT NULL
    ORDER BY finished_at DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT nullif(name, '') AS name FROM listings
    WHERE listings.symbol = universe.symbol AND unlisted_at IS NULL
    ORDER BY status, first_seen DESC LIMIT 1
) AS listing ON true
ORDER BY universe.symbol;

-- name: sparks
-- The newest closes of symbols in today's shares, oldest first, as a JSON array.
-- Takes   symbols: a JSON array of strings, each once; sessions: how many closes.
-- Nearly always there was no split among them, so the few segments that are not 1 are looked for once for a symbol.
SELECT asked.symbol, drawn.first_session, drawn.last_session, drawn.closes
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    WITH bar AS MATERIALIZED (
        SELECT session, close_price FROM daily_bars
        WHERE daily_bars.symbol = asked.symbol COLLATE "C"
        ORDER BY session DESC LIMIT %(sessions)s
    ),

    segment AS MATERIALIZED (
        SELECT valid_from, valid_before, split_factor FROM adjustment_factors
        WHERE adjustment_factors.symbol = asked.symbol COLLATE "C" AND split_factor <> 1
          AND valid_before > (SELECT min(session) FROM bar)
    )

    SELECT
        min(bar.session) AS first_session, max(bar.session) AS last_session,
        '[' || string_agg(
            trim_scale(round(bar.close_price * coalesce(segment.split_factor, 1), 6))::text, ',' ORDER BY bar.session
        ) || ']' AS closes
    FROM bar
    LEFT JOIN segment ON bar.session >= segment.valid_from AND bar.session < segment.valid_before
) AS drawn
WHERE drawn.closes IS NOT NULL;

-- name: spark_closes
-- The same closes for a file: a row for each symbol and session.
-- Takes   symbols: a JSON array of strings, each once; sessions: how many closes.
SELECT
    asked.symbol, bar.session, trim_scale(round(bar.close_price * coalesce(segment.split_factor, 1), 6)) AS close
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT session, close_price FROM daily_bars
    WHERE daily_bars.symbol = asked.symbol COLLATE "C"
    ORDER BY session DESC LIMIT %(sessions)s
) AS bar
LEFT JOIN adjustment_factors AS segment
    ON segment.symbol = asked.symbol COLLATE "C"
    AND bar.session >= segment.valid_from AND bar.session < segment.valid_before
ORDER BY asked.symbol, bar.session;

-- name: symbol_facts
-- What is known of one symbol: its name, the newest bar, whether its factors are known, its newest quote.
-- Takes   symbol; datasets: an array of all their names.
-- Returns no row for a symbol that nothing is stored of, and that no plan had.
SELECT
    (
        SELECT nullif(name, '') FROM listings
        WHERE symbol = %(symbol)s AND unlisted_at IS NULL ORDER BY status, first_seen DESC LIMIT 1
    ) AS name,
    (SELECT max(session) FROM daily_bars WHERE symbol = %(symbol)s) AS latest_bar,
    EXISTS (SELECT FROM adjustment_factors WHERE symbol = %(symbol)s) AS has_factors,
    quote.latest_trading_day AS session, trim_scale(quote.open_price) AS open, trim_scale(quote.high_price) AS high,
    trim_scale(quote.low_price) AS low, trim_scale(quote.price) AS price, quote.volume,
    trim_scale(quote.change_amount) AS change, trim_scale(quote.change_percent) AS change_percent,
    quote.data_timestamp AS fetched_at
FROM (SELECT %(symbol)s::text AS symbol) AS asked
LEFT JOIN LATERAL (
    SELECT * FROM stock_quotes WHERE stock_quotes.symbol = %(symbol)s ORDER BY latest_trading_day DESC LIMIT 1
) AS quote ON true
WHERE quote.symbol IS NOT NULL
   OR EXISTS (SELECT FROM daily_bars WHERE symbol = %(symbol)s)
   OR EXISTS (SELECT FROM fetch_outcomes WHERE dataset = ANY (%(datasets)s) AND symbol = %(symbol)s)
   OR EXISTS (SELECT FROM listings WHERE symbol = %(symbol)s);

-- name: bars
-- The bars of one symbol from a day on, oldest first, each column as a JSON array.
-- Takes   symbol; since: the first day; mode: raw, split or total.
WITH bar AS (
    SELECT session, open_price, high_price, low_price, close_price, volume
    FROM price_history WHERE symbol = %(symbol)s AND session >= %(since)s AND %(mode)s = 'raw'
    UNION ALL
    SELECT session, open_price, high_price, low_price, close_price, volume
    FROM split_adjusted_bars WHERE symbol = %(symbol)s AND session >= %(since)s AND %(mode)s = 'split'
    UNION ALL
    SELECT session, open_price, high_price, low_price, close_price, volume
    FROM total_return_bars WHERE symbol = %(symbol)s AND session >= %(since)s AND %(mode)s = 'total'
    ORDER BY session
)

SELECT
    string_agg('"' || session || '"', ',') AS t,
    string_agg(trim_scale(open_price)::text, ',') AS o,
    string_agg(trim_scale(high_price)::text, ',') AS h,
    string_agg(trim_scale(low_price)::text, ',') AS l,
    string_agg(trim_scale(close_price)::text, ',') AS c,
    string_agg(volume::text, ',') AS v
FROM bar;

-- name: events
-- The splits and dividends of a symbol from a day on, oldest first.
-- Takes   symbol, since; row_limit.
SELECT
    ex_date AS t, kind AS type,
    CASE WHEN kind = 'split' THEN numerator || ':' || denominator ELSE trim_scale(amount)::text END AS text,
    CASE WHEN kind = 'split' THEN trim_scale(round(numerator::numeric / denominator, 10)) ELSE trim_scale(amount) END AS value
FROM corporate_actions
WHERE symbol = %(symbol)s AND withdrawn_at IS NULL AND ex_date >= %(since)s
ORDER BY ex_date, kind, seq
LIMIT %(row_limit)s;

-- name: gaps_of_symbol
-- The gaps of a symbol that end on a day or later, oldest first.
-- Takes   symbol, since; row_limit.
SELECT first_session AS first, last_session AS last, sessions, state
FROM bar_gaps
WHERE symbol = %(symbol)s AND last_session >= %(since)s
ORDER BY first_session
LIMIT %(row_limit)s;

-- name: closes
-- The closes of some symbols from a day on, adjusted as asked: a row for each, oldest first, as two arrays.
-- Takes   symbols: an array; since: the first day; mode: raw, split or total.
SELECT bar.symbol, array_agg(bar.session ORDER BY bar.session), array_agg(bar.close_price ORDER BY bar.session)
FROM (
    SELECT symbol, session, close_price
    FROM price_history WHERE symbol = ANY (%(symbols)s) AND session >= %(since)s AND %(mode)s = 'raw'
    UNION ALL
    SELECT symbol, session, close_price
    FROM split_adjusted_bars WHERE symbol = ANY (%(symbols)s) AND session >= %(since)s AND %(mode)s = 'split'
    UNION ALL
    SELECT symbol, session, close_price
    FROM total_return_bars WHERE symbol = ANY (%(symbols)s) AND session >= %(since)s AND %(mode)s = 'total'
) AS bar
GROUP BY bar.symbol
ORDER BY bar.symbol;

-- name: newest_bars_of
-- The newest session of each of some symbols that have bars.
-- Takes   symbols: an array.
SELECT asked.symbol, newest.session
FROM unnest(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT session FROM daily_bars WHERE daily_bars.symbol = asked.symbol COLLATE "C" ORDER BY session DESC LIMIT 1
) AS newest;

-- name: runs
-- The newest runs with what became of their symbols, newest first.
-- Takes   row_limit; steps: how many plans are looked at, of which some are later plans of the same run.
-- The lines of a plan have one time, so a walk down the index finds the plans without reading their lines.
WITH RECURSIVE plan (planned_at, step) AS (
    (SELECT planned_at, 1 FROM fetch_outcomes ORDER BY planned_at DESC LIMIT 1)
    UNION ALL
    SELECT (
        SELECT earlier.planned_at FROM fetch_outcomes AS earlier
        WHERE earlier.planned_at < plan.planned_at ORDER BY earlier.planned_at DESC LIMIT 1
    ), plan.step + 1
    FROM plan
    WHERE plan.planned_at IS NOT NULL AND plan.step < %(steps)s
),

newest AS (
    SELECT line.run_id, max(plan.planned_at) AS planned_at
    FROM plan
    CROSS JOIN LATERAL (
        SELECT run_id FROM fetch_outcomes WHERE fetch_outcomes.planned_at = plan.planned_at LIMIT 1
    ) AS line
    GROUP BY line.run_id
    ORDER BY max(plan.planned_at) DESC
    LIMIT %(row_limit)s
)

SELECT
    line.run_id,
    min(line.dataset) AS dataset,
    min(line.planned_at) AS planned_at,
    CASE WHEN bool_and(line.finished_at IS NOT NULL) THEN max(line.finished_at) END AS ended_at,
    count(*) AS symbols,
    count(*) FILTER (WHERE line.status = 'stored' AND line.reason <> 'unchanged') AS stored,
    count(*) FILTER (WHERE line.status = 'stored' AND line.reason = 'unchanged') AS unchanged,
    count(*) FILTER (WHERE line.status = 'stale') AS stale,
    count(*) FILTER (WHERE line.status = 'skipped') AS skipped,
    count(*) FILTER (WHERE line.status = 'postponed') AS postponed,
    count(*) FILTER (WHERE line.status = 'quarantined') AS quarantined,
    count(*) FILTER (WHERE line.status = 'failed') AS failed,
    count(*) FILTER (WHERE line.status = 'planned') AS open
FROM newest
INNER JOIN fetch_outcomes AS line USING (run_id)
GROUP BY line.run_id
ORDER BY max(newest.planned_at) DESC;

-- name: run_outcomes
-- What became of the symbols of a run, by symbol, and of how many in all.
-- Takes   run_id; status: null for any; row_limit, row_offset.
SELECT
    symbol, CASE WHEN status = 'stored' AND reason = 'unchanged' THEN 'unchanged' ELSE status END AS status,
    reason, detail, worker, attempts, api_calls AS calls, retry_at, finished_at, batch, count(*) OVER () AS total
FROM fetch_outcomes
WHERE run_id = %(run_id)s
  AND (
      %(status)s::text IS NULL
      OR %(status)s = CASE WHEN status = 'stored' AND reason = 'unchanged' THEN 'unchanged' ELSE status END
  )
ORDER BY symbol
LIMIT %(row_limit)s OFFSET %(row_offset)s;

-- name: run_exists
-- Whether the ledger has a run.
-- Takes   run_id.
SELECT EXISTS (SELECT FROM fetch_outcomes WHERE run_id = %(run_id)s);

-- name: workers
-- How many symbols each worker ended lately, the busiest first.
-- Takes   hours; row_limit.
SELECT
    worker, count(*) AS symbols, count(*) FILTER (WHERE status IN ('stored', 'stale')) AS stored,
    count(*) FILTER (WHERE status IN ('failed', 'quarantined')) AS failed, max(finished_at) AS last_seen
FROM fetch_outcomes
WHERE planned_at >= now() - make_interval(hours => %(hours)s + 24)
  AND finished_at >= now() - make_interval(hours => %(hours)s) AND worker <> ''
GROUP BY worker
ORDER BY count(*) DESC, worker
LIMIT %(row_limit)s;

-- name: waiting
-- The symbols that were postponed and have not had their turn since, the first in line first, and how many in all.
-- Takes   row_limit.
-- A day's quota is the longest wait there is; what was postponed earlier was planned again since.
SELECT line.symbol, line.dataset, line.run_id, line.retry_at AS until, line.reason, count(*) OVER () AS total
FROM fetch_outcomes AS line
WHERE line.planned_at >= now() - interval '3 days' AND line.status = 'postponed' AND line.retry_at > now()
  AND NOT EXISTS (
      SELECT FROM fetch_outcomes AS later
      WHERE later.symbol = line.symbol AND later.dataset = line.dataset AND later.finished_at > line.finished_at
  )
ORDER BY line.retry_at, line.symbol
LIMIT %(row_limit)s;

-- name: hourly_calls
-- How many calls were made in each of the last hours, oldest first.
-- Takes   hours; key_digest.
-- Where no window of the quota is longer than a minute, calls are noted nowhere else than with their symbols.
WITH hour AS (
    SELECT generate_series(
        date_trunc('hour', now()) - make_interval(hours => %(hours)s - 1), date_trunc('hour', now()), '1 hour'
    ) AS began
),

noted AS (
    SELECT date_trunc('hour', sent_at) AS began, count(*) AS calls
    FROM api_calls
    WHERE key_digest = %(key_digest)s AND sent_at >= (SELECT min(began) FROM hour)
    GROUP BY 1
),

counted AS (
    SELECT date_trunc('hour', finished_at) AS began, sum(api_calls) AS calls
    FROM fetch_outcomes
    WHERE planned_at >= (SELECT min(began) FROM hour) - interval '1 day'
      AND finished_at >= (SELECT min(began) FROM hour)
    GROUP BY 1
)

SELECT hour.began AS hour, coalesce(noted.calls, counted.calls, 0)::bigint AS calls
FROM hour
LEFT JOIN noted USING (began)
LEFT JOIN counted ON counted.began = hour.began AND NOT EXISTS (SELECT FROM noted)
ORDER BY hour.began;

-- name: gaps
-- Gaps, the newest first, and how many in all.
-- Takes   state, symbol: null for any; row_limit, row_offset.
SELECT
    symbol, first_session AS first, last_session AS last, sessions, state, answers, asked_at, ask_again_at,
    count(*) OVER () AS total
FROM bar_gaps
WHERE (%(state)s::text IS NULL OR state = %(state)s) AND (%(symbol)s::text IS NULL OR symbol = %(symbol)s)
ORDER BY last_session DESC, symbol
LIMIT %(row_limit)s OFFSET %(row_offset)s;

-- name: refused
-- Refused replies, the newest first, without their text, and how many in all.
-- Takes   id, symbol: null for any; row_limit, row_offset.
SELECT
    refused.id, nullif(refused.symbol, '') AS symbol, refused.dataset, refused.reason, refused.message,
    refused.received_at, refused.run_id, coalesce(kept.size, octet_length(refused.payload)) AS bytes,
    refused.replayed_at IS NULL AS replayable, count(*) OVER () AS total
FROM quarantine AS refused
LEFT JOIN raw_replies AS kept ON kept.id = refused.reply_id
WHERE (%(id)s::bigint IS NULL OR refused.id = %(id)s) AND (%(symbol)s::text IS NULL OR refused.symbol = %(symbol)s)
ORDER BY refused.received_at DESC, refused.id DESC
LIMIT %(row_limit)s OFFSET %(row_offset)s;

-- name: payload
-- The beginning of a refused reply, and whether that is all of it.
-- Takes   id; row_length: how many characters.
SELECT left(payload, %(row_length)s) AS payload, char_length(payload) > %(row_length)s OR reply_id IS NOT NULL AS is_cut
FROM quarantine
WHERE id = %(id)s;

-- name: findings
-- What the checks of the stored values found, the gravest and newest first, and how many in all.
-- Takes   state (open, acknowledged or resolved), symbol: null for any; row_limit, row_offset.
SELECT
    finding.id, finding.check_name AS check, finding.severity, finding.symbol, finding.session, finding.message,
    finding.first_seen, finding.last_seen, judged.state, finding.acknowledged_word AS word,
    count(*) OVER () AS total
FROM quality_findings AS finding
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN finding.resolved_at IS NOT NULL THEN 'resolved'
        WHEN finding.acknowledged_at IS NOT NULL THEN 'acknowledged'
        ELSE 'open'
    END AS state
) AS judged
WHERE (%(state)s::text IS NULL OR judged.state = %(state)s) AND (%(symbol)s::text IS NULL OR finding.symbol = %(symbol)s)
ORDER BY finding.severity, finding.last_seen DESC, finding.id DESC
LIMIT %(row_limit)s OFFSET %(row_offset)s;
