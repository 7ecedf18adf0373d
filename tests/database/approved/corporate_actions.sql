INSERT INTO corporate_actions AS stored (
    symbol,
    kind,
    ex_date,
    seq,
    numerator,
    denominator,
    amount,
    declared_on,
    recorded_on,
    paid_on,
    provider_text
)
SELECT
    symbol,
    kind,
    ex_date,
    seq,
    numerator,
    denominator,
    amount,
    declared_on,
    recorded_on,
    paid_on,
    provider_text
FROM json_to_recordset(%(rows)s) AS incoming (
    symbol varchar(32) COLLATE "C",
    kind text,
    ex_date date,
    seq smallint,
    numerator bigint,
    denominator bigint,
    amount numeric(20, 6),
    declared_on date,
    recorded_on date,
    paid_on date,
    provider_text text
)
WHERE NOT EXISTS (
    SELECT FROM corporate_actions AS present
    WHERE (present.symbol, present.kind, present.ex_date, present.seq) = (incoming.symbol, incoming.kind, incoming.ex_date, incoming.seq) AND (((
    present.numerator,
    present.denominator,
    present.amount,
    present.declared_on,
    present.recorded_on,
    present.paid_on,
    present.provider_text
) IS NOT DISTINCT FROM (
    incoming.numerator,
    incoming.denominator,
    incoming.amount,
    incoming.declared_on,
    incoming.recorded_on,
    incoming.paid_on,
    incoming.provider_text
) AND present.withdrawn_at IS NULL))
)
ORDER BY symbol, kind, ex_date, seq
ON CONFLICT (symbol, kind, ex_date, seq) DO UPDATE SET
    numerator = excluded.numerator,
    denominator = excluded.denominator,
    amount = excluded.amount,
    declared_on = excluded.declared_on,
    recorded_on = excluded.recorded_on,
    paid_on = excluded.paid_on,
    provider_text = excluded.provider_text,
    withdrawn_at = NULL,
    updated_at = now()
WHERE ((
    stored.numerator,
    stored.denominator,
    stored.amount,
    stored.declared_on,
    stored.recorded_on,
    stored.paid_on,
    stored.provider_text
) IS DISTINCT FROM (
    excluded.numerator,
    excluded.denominator,
    excluded.amount,
    excluded.declared_on,
    excluded.recorded_on,
    excluded.paid_on,
    excluded.provider_text
) OR stored.withdrawn_at IS NOT NULL)
RETURNING symbol, kind, ex_date, seq, xmax = 0 AS inserted;
