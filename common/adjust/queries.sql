-- Factors of splits and dividends: which symbols changed, and what is written.

-- name: lock_factors
-- Let nobody else compute the factors of these symbols until this transaction ends: two that saved at once, one an action
-- and one the bar of its ex-date, would each miss what the other saved.
-- Takes   symbols: an array. A symbol's oldest segment is its lock; one that has none gets it.
INSERT INTO adjustment_factors AS stored (symbol, valid_from, valid_before, split_factor, total_factor)
SELECT symbol, '-infinity', 'infinity', 1, 1
FROM unnest(%(symbols)s) AS symbol
ORDER BY symbol COLLATE "C"
ON CONFLICT (symbol, valid_from) DO UPDATE SET symbol = excluded.symbol WHERE false;

-- name: actions_to_adjust_for
-- The splits and dividends in force of each symbol whose factors may change, with the bars beside each ex-date.
-- Takes   rows: a JSON array of objects. first, last: between which sessions bars changed; null: actions changed.
-- Returns a row for each action; one without a kind for a symbol that has no action. None for a symbol whose bars
--         changed away from every ex-date.
WITH changed AS (
    SELECT symbol, first, last
    FROM json_to_recordset(%(rows)s) AS incoming (symbol varchar(32) COLLATE "C", first date, last date)
),

affected AS (
    SELECT symbol FROM changed
    WHERE first IS NULL OR EXISTS (
        SELECT FROM corporate_actions AS action
        WHERE action.symbol = changed.symbol AND action.withdrawn_at IS NULL
          AND action.ex_date > coalesce(
              (SELECT max(bar.session) FROM daily_bars AS bar WHERE bar.symbol = changed.symbol AND bar.session < first),
              '-infinity'
          )
          AND action.ex_date <= coalesce(
              (SELECT min(bar.session) FROM daily_bars AS bar WHERE bar.symbol = changed.symbol AND bar.session > last),
              last
          )
    )
)

SELECT
    affected.symbol, action.kind, action.ex_date, action.numerator, action.denominator, action.amount,
    before.session, before.close_price, since.session, since.close_price
FROM affected
LEFT JOIN corporate_actions AS action ON action.symbol = affected.symbol AND action.withdrawn_at IS NULL
LEFT JOIN LATERAL (
    SELECT bar.session, bar.close_price FROM daily_bars AS bar
    WHERE bar.symbol = action.symbol AND bar.session < action.ex_date
    ORDER BY bar.session DESC LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT bar.session, bar.close_price FROM daily_bars AS bar
    WHERE bar.symbol = action.symbol AND bar.session >= action.ex_date
    ORDER BY bar.session LIMIT 1
) AS since ON true
ORDER BY affected.symbol, action.ex_date, action.kind, action.seq;

-- name: write_factors
-- Make the segments of some symbols these; a segment that says the same is left alone.
-- Takes   symbols: an array; rows: all their segments, a JSON array of objects.
-- Returns the symbols whose factors are others now.
WITH incoming AS MATERIALIZED (
    SELECT symbol, valid_from, valid_before, split_factor, total_factor
    FROM json_to_recordset(%(rows)s) AS incoming (
        symbol varchar(32) COLLATE "C", valid_from date, valid_before date,
        split_factor numeric(38, 20), total_factor numeric(38, 20)
    )
),

gone AS (
    DELETE FROM adjustment_factors
    WHERE symbol = ANY(%(symbols)s)
      AND (symbol, valid_from) NOT IN (SELECT symbol, valid_from FROM incoming)
    RETURNING symbol
),

written AS (
    INSERT INTO adjustment_factors AS stored (symbol, valid_from, valid_before, split_factor, total_factor)
    SELECT symbol, valid_from, valid_before, split_factor, total_factor FROM incoming
    ORDER BY symbol, valid_from
    ON CONFLICT (symbol, valid_from) DO UPDATE SET
        valid_before = excluded.valid_before, split_factor = excluded.split_factor, total_factor = excluded.total_factor,
        updated_at = now()
    WHERE (stored.valid_before, stored.split_factor, stored.total_factor)
          IS DISTINCT FROM (excluded.valid_before, excluded.split_factor, excluded.total_factor)
    RETURNING symbol
)

SELECT symbol FROM gone UNION SELECT symbol FROM written;

-- name: write_findings
-- Make the findings of some symbols these; one that is told already keeps the time at which it was first told.
-- Takes   symbols: an array; rows: all their findings, a JSON array of objects.
WITH incoming AS MATERIALIZED (
    SELECT symbol, session, code, message
    FROM json_to_recordset(%(rows)s) AS incoming (
        symbol varchar(32) COLLATE "C", session date, code varchar(64), message varchar(2000)
    )
),

gone AS (
    DELETE FROM adjustment_findings
    WHERE symbol = ANY(%(symbols)s)
      AND (symbol, session, code) NOT IN (SELECT symbol, session, code FROM incoming)
)

INSERT INTO adjustment_findings AS stored (symbol, session, code, message)
SELECT symbol, session, code, message FROM incoming
ORDER BY symbol, session, code
ON CONFLICT (symbol, session, code) DO UPDATE SET message = excluded.message WHERE stored.message <> excluded.message;

-- name: symbols_without_factors
-- Symbols that have bars and no factors: stored by a version that had none. Skips from symbol to symbol by the key.
-- Takes   row_limit
WITH RECURSIVE known AS (
    (SELECT symbol FROM daily_bars ORDER BY symbol LIMIT 1)
    UNION ALL
    SELECT (SELECT bar.symbol FROM daily_bars AS bar WHERE bar.symbol > known.symbol ORDER BY bar.symbol LIMIT 1)
    FROM known
    WHERE known.symbol IS NOT NULL
)

SELECT known.symbol FROM known
WHERE known.symbol IS NOT NULL
  AND NOT EXISTS (SELECT FROM adjustment_factors AS segment WHERE segment.symbol = known.symbol)
LIMIT %(row_limit)s;

-- name: symbols_with_factors
-- The symbols that have factors, by symbol, after the given one.
-- Takes   after: a symbol, '' for the first; symbols: an array, null for all; row_limit.
-- A symbol's oldest segment stands for it.
SELECT symbol FROM adjustment_factors
WHERE valid_from = '-infinity' AND symbol > %(after)s COLLATE "C"
  AND (%(symbols)s::text[] IS NULL OR symbol = ANY (%(symbols)s::text[] COLLATE "C"))
ORDER BY symbol
LIMIT %(row_limit)s;

-- name: stored_splits
-- The splits in force of some symbols, with what the provider wrote and the shares that it was taken for.
-- Takes   symbols: an array.
SELECT symbol, kind, ex_date, seq, provider_text, numerator, denominator FROM corporate_actions
WHERE symbol = ANY (%(symbols)s::text[] COLLATE "C") AND kind = 'split' AND withdrawn_at IS NULL
  AND provider_text <> ''
ORDER BY symbol, kind, ex_date, seq;

-- name: write_ratios
-- Take what the provider wrote of splits for other shares.
-- Takes   rows: a JSON array of objects.
UPDATE corporate_actions AS stored
SET numerator = read.numerator, denominator = read.denominator, updated_at = now()
FROM json_to_recordset(%(rows)s) AS read (
    symbol varchar(32) COLLATE "C", kind text, ex_date date, seq smallint, numerator bigint, denominator bigint
)
WHERE (stored.symbol, stored.kind, stored.ex_date, stored.seq) = (read.symbol, read.kind, read.ex_date, read.seq);
