-- The provider's lists of companies.

-- name: listed
-- The lines of the last list of a status, by symbol.
-- Takes   status.
SELECT id, symbol, name, exchange, asset_type, ipo_date, delisting_date, status
FROM listings
WHERE unlisted_at IS NULL AND status = %(status)s
ORDER BY symbol, ipo_date, delisting_date;

-- name: listings_seen_at
-- When the last list of a status was stored; null if there is none.
-- Takes   status.
SELECT max(last_seen) FROM listings WHERE unlisted_at IS NULL AND status = %(status)s;

-- name: lock_listings
-- Let nobody else store a list until this transaction ends; readers go on. Returns the time, as of then: a transaction
-- that had to wait began before the list that it waited for was stored.
LOCK TABLE listings IN SHARE ROW EXCLUSIVE MODE;
SELECT clock_timestamp();

-- name: listed_again
-- Note that the new list has the same lines.
-- Takes   now; same: an array of ids.
UPDATE listings SET last_seen = greatest(last_seen, %(now)s) WHERE id = ANY (%(same)s::bigint[]);

-- name: listed_no_more
-- Note that the new list says it no more: the symbol is gone, or has another line.
-- Takes   now; gone: an array of ids.
UPDATE listings SET unlisted_at = greatest(last_seen, %(now)s) WHERE id = ANY (%(gone)s::bigint[]);

-- name: insert_listings
-- Store the lines that the list before does not have.
-- Takes   now; rows: a JSON array of objects.
INSERT INTO listings (
    symbol, name, exchange, asset_type, ipo_date, delisting_date, status, first_seen, last_seen
)
SELECT symbol, name, exchange, asset_type, ipo_date, delisting_date, status, %(now)s, %(now)s
FROM json_to_recordset(%(rows)s) AS incoming (
    symbol text, name text, exchange text, asset_type text, ipo_date date, delisting_date date, status text
);
