INSERT INTO daily_bars AS stored (
    symbol,
    session,
    open_price,
    high_price,
    low_price,
    close_price,
    volume,
    adjusted_close,
    dividend_amount,
    split_coefficient
)
SELECT
    symbol,
    session,
    open_price,
    high_price,
    low_price,
    close_price,
    volume,
    adjusted_close,
    dividend_amount,
    split_coefficient
FROM json_to_recordset(%(rows)s) AS incoming (
    symbol varchar(32) COLLATE "C",
    session date,
    open_price numeric(20, 6),
    high_price numeric(20, 6),
    low_price numeric(20, 6),
    close_price numeric(20, 6),
    volume bigint,
    adjusted_close numeric(20, 6),
    dividend_amount numeric(20, 6),
    split_coefficient numeric(20, 6)
)
WHERE NOT EXISTS (
    SELECT FROM daily_bars AS present
    WHERE (present.symbol, present.session) = (incoming.symbol, incoming.session) AND ((
    present.open_price,
    present.high_price,
    present.low_price,
    present.close_price,
    present.volume,
    present.adjusted_close,
    present.dividend_amount,
    present.split_coefficient
) IS NOT DISTINCT FROM (
    incoming.open_price,
    incoming.high_price,
    incoming.low_price,
    incoming.close_price,
    incoming.volume,
    coalesce(incoming.adjusted_close, present.adjusted_close),
    coalesce(incoming.dividend_amount, present.dividend_amount),
    coalesce(incoming.split_coefficient, present.split_coefficient)
))
)
ORDER BY symbol, session
ON CONFLICT (symbol, session) DO UPDATE SET
    open_price = excluded.open_price,
    high_price = excluded.high_price,
    low_price = excluded.low_price,
    close_price = excluded.close_price,
    volume = excluded.volume,
    adjusted_close = coalesce(excluded.adjusted_close, stored.adjusted_close),
    dividend_amount = coalesce(excluded.dividend_amount, stored.dividend_amount),
    split_coefficient = coalesce(excluded.split_coefficient, stored.split_coefficient),
    updated_at = now()
WHERE (
    stored.open_price,
    stored.high_price,
    stored.low_price,
    stored.close_price,
    stored.volume,
    stored.adjusted_close,
    stored.dividend_amount,
    stored.split_coefficient
) IS DISTINCT FROM (
    excluded.open_price,
    excluded.high_price,
    excluded.low_price,
    excluded.close_price,
    excluded.volume,
    coalesce(excluded.adjusted_close, stored.adjusted_close),
    coalesce(excluded.dividend_amount, stored.dividend_amount),
    coalesce(excluded.split_coefficient, stored.split_coefficient)
)
RETURNING symbol, session, xmax = 0 AS inserted;
