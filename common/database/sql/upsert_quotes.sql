-- upsert_quotes: store quotes; one row for each symbol and trading day.
-- Takes   rows: a JSON array of objects with the columns' names, each key once.
-- Returns symbol, latest_trading_day, inserted (else updated) of the rows that changed.
-- A row that is stored already with these values, or newer, is left out before it is even locked. The same test
-- stands in the conflict clause, for a row that another transaction wrote since this statement began. The reply's
-- time alone is no change, so the row keeps the time at which its values were first seen.
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
      stored.open_price, stored.high_price, stored.low_price, stored.price, stored.volume,
      stored.previous_close, stored.change_amount, stored.change_percent
  ) <> (
      excluded.open_price, excluded.high_price, excluded.low_price, excluded.price, excluded.volume,
      excluded.previous_close, excluded.change_amount, excluded.change_percent
  )
RETURNING symbol, latest_trading_day, xmax = 0 AS inserted;
