-- What can be exported, its columns and rows, and the COPY that writes them as CSV.

-- name: exportable_relations
-- The tables and views that this role may read, by name.
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'alembic_version'
  AND has_table_privilege(oid, 'SELECT')
ORDER BY relname COLLATE "C";

-- name: relation_columns
-- The columns of a table or view in their order: name, type, whether it may be null, place in the key, comment.
-- Takes   relation: a name that exportable_relations has.
SELECT
    attribute.attname,
    format_type(attribute.atttypid, attribute.atttypmod),
    NOT attribute.attnotnull,
    array_position(key.indkey::smallint[], attribute.attnum),
    coalesce(col_description(attribute.attrelid, attribute.attnum), '')
FROM pg_attribute AS attribute
LEFT JOIN pg_index AS key ON key.indrelid = attribute.attrelid AND key.indisprimary
WHERE attribute.attrelid = ('public.' || quote_ident(%(relation)s))::regclass
  AND attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY attribute.attnum;

-- name: relation_comment
-- What kind of relation it is (r: table, v: view), and what is said of it.
-- Takes   relation: a name that exportable_relations has.
SELECT relkind::text, coalesce(obj_description(oid, 'pg_class'), '') FROM pg_class
WHERE oid = ('public.' || quote_ident(%(relation)s))::regclass;

-- name: export_rows
-- The rows of a table or view, in an order that is the same each time: of the columns as stored, which an index has.
-- Takes   columns, source, conditions, order, each as SQL.
SELECT {columns} FROM {source} AS exported WHERE {conditions} ORDER BY {order};

-- name: finite_time
-- A date or time, and for infinity the last or the first day that Python's calendar has.
-- Takes   column, as SQL.
CASE {column} WHEN 'infinity' THEN '9999-12-31' WHEN '-infinity' THEN '0001-01-01' ELSE {column} END AS {column}

-- name: export_symbols
-- The symbols that have rows among those that are exported.
-- Takes   source, conditions, as SQL.
SELECT DISTINCT symbol FROM {source} WHERE {conditions};

-- name: copy_rows
-- The rows of a query as CSV with a heading: null is nothing, an empty text is "".
-- Takes   query, as SQL.
COPY ({query}) TO STDOUT WITH (FORMAT csv, HEADER, ENCODING 'UTF8');

-- name: copy_rows_alone
-- The same without a heading.
-- Takes   query, as SQL.
COPY ({query}) TO STDOUT WITH (FORMAT csv, ENCODING 'UTF8');

-- name: snapshot_time
-- When this transaction began: its snapshot has all that was committed by then.
SELECT transaction_timestamp();
