INSERT INTO every_option AS stored (
    symbol,
    kind,
    price,
    note,
    seen_at
)
SELECT
    symbol,
    kind,
    price,
    note,
    seen_at
FROM json_to_recordset(%(rows)s) AS incoming (
    symbol varchar(32) COLLATE "C",
    kind text,
    price numeric(20, 6),
    note text,
    seen_at timestamptz
)
WHERE NOT EXISTS (
    SELECT FROM every_option AS present
    WHERE (present.symbol, present.kind) = (incoming.symbol, incoming.kind) AND (present.seen_at > incoming.seen_at OR ((
    present.price,
    present.note
) IS NOT DISTINCT FROM (
    incoming.price,
    coalesce(incoming.note, present.note)
) AND present.withdrawn_at IS NULL))
)
ORDER BY symbol, kind
ON CONFLICT (symbol, kind) DO UPDATE SET
    price = excluded.price,
    note = coalesce(excluded.note, stored.note),
    seen_at = excluded.seen_at,
    withdrawn_at = NULL,
    updated_at = now()
WHERE stored.seen_at <= excluded.seen_at AND ((
    stored.price,
    stored.note
) IS DISTINCT FROM (
    excluded.price,
    coalesce(excluded.note, stored.note)
) OR stored.withdrawn_at IS NOT NULL)
RETURNING symbol, kind, xmax = 0 AS inserted;
