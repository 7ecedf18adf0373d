-- The quotes' own upsert, since the provider's caches answer late; every other table's is made by database/upsert.py.

-- name: upsert_quotes
-- Store quotes; one row for each symbol and trading day.
-- Takes   rows: a JSON array of objects with the columns' names, each key once.
-- Returns symbol, latest_trading_day, inserted (else updated) of the rows that changed, and what changed of a final day.
-- A row that is stored already with these values, or newer, is left out before it is even locked. The same test
-- stands in the conflict clause, for a row that another transaction wrote since this statement began. The reply's
-- time alone is no change, so the row keeps the time at which its values were first seen.
-- The provider answers from caches that are behind each other: while a day is not final, a reply with less volume is an
-- older one, whenever it came. A day is final nine hours after its end in UTC: twelve after New York's close in winter,
-- the last of all. From then on the last word counts, whatever its volume.
-- Ordered by key: two writers take their locks in one order and cannot deadlock.
INSERT INTO stock_quotes AS stored (
    symbol, open_price, high_price, low_price, price, volume, latest_trading_day,
    previous_close, change_amount, change_percent, data_timestamp
)
SELECT
    symbol, open_price, high_price, low_price, price, volume, latest_trading_day,
    previous_close, change_amount, change_percent, data_timestamp
FROM json_to_recordset(%(rows)s) AS incoming (
    symbol varchar(32) COLLATE "C", open_price numeric(20, 6), high_price numeric(20, 6), low_price numeric(20, 6),
    price numeric(20, 6), volume bigint, latest_trading_day date, previous_close numeric(20, 6),
    change_amount numeric(20, 6), change_percent numeric(20, 6), data_timestamp timestamptz
)
WHERE NOT EXISTS (
    SELECT FROM stock_quotes AS present
    WHERE (present.symbol, present.latest_trading_day) = (incoming.symbol, incoming.latest_trading_day)
      AND (
          present.data_timestamp > incoming.data_timestamp
          OR (
              present.volume > incoming.volume
              AND incoming.data_timestamp < (incoming.latest_trading_day + interval '33 hours') AT TIME ZONE 'UTC'
          )
          OR (
              present.open_price, present.high_price, present.low_price, present.price, present.volume,
              present.previous_close, present.change_amount, present.change_percent
          ) = (
              incoming.open_price, incoming.high_price, incoming.low_price, incoming.price, incoming.volume,
              incoming.previous_close, incoming.change_amount, incoming.change_percent
          )
      )
)
ORDER BY symbol, latest_trading_day
ON CONFLICT (symbol, latest_trading_day) DO UPDATE SET
    open_price = excluded.open_price,
    high_price = excluded.high_price,
    low_price = excluded.low_price,
    price = excluded.price,
    volume = excluded.volume,
    previous_close = excluded.previous_close,
    change_amount = excluded.change_amount,
    change_percent = excluded.change_percent,
    data_timestamp = excluded.data_timestamp,
    updated_at = now()
WHERE stored.data_timestamp <= excluded.data_timestamp
  AND (
      stored.volume <= excluded.volume
      OR excluded.data_timestamp >= (excluded.latest_trading_day + interval '33 hours') AT TIME ZONE 'UTC'
  )
  AND (
      stored.open_price, stored.high_price, stored.low_price, stored.price, stored.volume,
      stored.previous_close, stored.change_amount, stored.change_percent
  ) <> (
      excluded.open_price, excluded.high_price, excluded.low_price, excluded.price, excluded.volume,
      excluded.previous_close, excluded.change_amount, excluded.change_percent
  )
RETURNING symbol, latest_trading_day, xmax = 0 AS inserted, (
    SELECT string_agg(change.name || ' ' || trim_scale(change.old) || ' -> ' || trim_scale(change.new), ', ')
    FROM stock_quotes AS before -- as the statement found it
    CROSS JOIN LATERAL (
        VALUES ('open', before.open_price, stored.open_price), ('high', before.high_price, stored.high_price),
        ('low', before.low_price, stored.low_price), ('price', before.price, stored.price),
        ('volume', before.volume::numeric, stored.volume::numeric),
        ('previous close', before.previous_close, stored.previous_close)
    ) AS change (name, old, new)
    WHERE (before.symbol, before.latest_trading_day) = (stored.symbol, stored.latest_trading_day)
      AND stored.data_timestamp >= (stored.latest_trading_day + interval '33 hours') AT TIME ZONE 'UTC'
      AND change.old <> change.new
) AS changed;
