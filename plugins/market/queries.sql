-- What the Market page reads, as market_reader. Every statement is bounded: by a limit, one symbol, or a span of time.

-- name: versions
-- How often each of some tables was changed: who reads the same numbers twice has nothing new to compute.
-- Takes   tables: an array of names.
-- PostgreSQL counts these anyway, and tells them at most a second late.
SELECT relname, n_tup_ins + n_tup_upd + n_tup_del AS changes
FROM pg_stat_user_tables
WHERE relname = ANY (%(tables)s)
ORDER BY relname;

-- name: overview
-- A row for each symbol of the newest plan, and for each that has rows: the newest price, and what became of it last.
-- Takes   row_limit; others: patterns of the runs that are no quotes' run.
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
    SELECT run_id FROM fetch_outcomes
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
        ELSE trim_scale(round(100 * (bar.close_price / before.close_price - 1), 4))
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
    WHERE fetch_outcomes.symbol = universe.symbol AND finished_at IS NOT NULL AND NOT run_id LIKE ANY (%(others)s)
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
-- Nearly always the newest factor, 1, holds for all of them; only the segments that reach into these sessions are read.
SELECT asked.symbol, drawn.first_session, drawn.last_session, drawn.closes
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT
        min(bar.session) AS first_session, max(bar.session) AS last_session,
        '[' || string_agg(
            trim_scale(round(bar.close_price * coalesce(segment.split_factor, 1), 6))::text, ',' ORDER BY bar.session
        ) || ']' AS closes
    FROM (
        SELECT session, close_price FROM daily_bars
        WHERE daily_bars.symbol = asked.symbol COLLATE "C"
        ORDER BY session DESC LIMIT %(sessions)s
    ) AS bar
    LEFT JOIN LATERAL (
        SELECT split_factor FROM adjustment_factors
        WHERE adjustment_factors.symbol = asked.symbol COLLATE "C" AND valid_from <= bar.session
        ORDER BY valid_from DESC LIMIT 1
    ) AS segment ON true
) AS drawn
WHERE drawn.closes IS NOT NULL;

-- name: symbol_facts
-- What is known of one symbol: its name, the newest bar, whether its factors are known, its newest quote.
-- Takes   symbol.
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
   OR EXISTS (SELECT FROM fetch_outcomes WHERE symbol = %(symbol)s)
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
