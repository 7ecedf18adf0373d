-- doubt_unknown: a symbol that has rows is not unknown because the provider says so once.
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
