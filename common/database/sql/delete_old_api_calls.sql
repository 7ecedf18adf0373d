-- delete_old_api_calls: delete one batch of the rows that are older than the retention allows.
-- Takes   days, row_limit.
-- Rows that another cleaning holds are left to it.
DELETE FROM api_calls WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM api_calls WHERE sent_at < now() - make_interval(days => %(days)s)
    LIMIT %(row_limit)s FOR UPDATE SKIP LOCKED
));
