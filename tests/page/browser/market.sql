-- The wide part of the browsers' market: as many symbols as an exchange lists, and what went wrong with a few.
-- Takes   day: the latest session; earlier: one of some sessions before; many: how many symbols; tickers: those with
-- bars; gap_first, gap_last: the sessions that IBM lacks.
INSERT INTO stock_quotes (
    symbol, open_price, high_price, low_price, price, volume, latest_trading_day, previous_close, change_amount,
    change_percent, data_timestamp
)
SELECT
    'S' || lpad(n::text, 5, '0'), 100, 120, 80, 100 + mod(n, 13) - 6, n,
    CASE WHEN mod(n, 20) = 0 THEN %(earlier)s::date ELSE %(day)s::date END, 100, mod(n, 13) - 6, mod(n, 13) - 6, now()
FROM generate_series(1, %(many)s) AS n;

INSERT INTO listings (symbol, name, exchange, asset_type, status, first_seen, last_seen)
SELECT 'S' || lpad(n::text, 5, '0'), 'Company ' || n, 'NYSE', 'Stock', 'Active', now(), now()
FROM generate_series(1, %(many)s) AS n
UNION ALL
SELECT ticker, initcap(split_part(ticker, '.', 1)) || ' Corporation', 'NYSE', 'Stock', 'Active', now(), now()
FROM unnest(%(tickers)s) AS ticker
WHERE ticker NOT IN ('IBM', 'MSFT', 'AAPL')
UNION ALL
VALUES
    ('IBM', 'International Business Machines Corp', 'NYSE', 'Stock', 'Active', now(), now()),
    ('MSFT', '<img src=x onerror="document.title=1">', 'NASDAQ', 'Stock', 'Active', now(), now()),
    ('AAPL', repeat('Apple & Orchard ', 12), 'NASDAQ', 'Stock', 'Active', now(), now());

INSERT INTO bar_gaps (symbol, first_session, last_session, sessions, state, answers, asked_at, ask_again_at)
VALUES ('IBM', %(gap_first)s, %(gap_last)s, 3, 'absent', 2, now(), now());

INSERT INTO quality_findings (check_name, severity, symbol, session, message)
VALUES ('unexplained_step', 'error', 'IBM', %(earlier)s, 'The close of IBM fell by <b>52 %%</b> without a split.');

-- All runs were stored just now, one after the other; each is of a day of its own, the newest of today.
UPDATE fetch_outcomes AS line
SET planned_at = line.planned_at - run.age, finished_at = line.finished_at - run.age
FROM (
    SELECT run_id, make_interval(days => (row_number() OVER (ORDER BY run_id DESC))::integer - 1) AS age
    FROM fetch_outcomes GROUP BY run_id
) AS run
WHERE run.run_id = line.run_id;

INSERT INTO quarantine (run_id, symbol, function, reason, message, payload, received_at, dataset)
VALUES (
    'scheduled__1', 'IBM', 'GLOBAL_QUOTE', 'not_json', 'The reply is no JSON: it starts with <html>.',
    '<html><script>document.title = "taken"</script></html>', now(), 'quotes'
);

ANALYZE;
