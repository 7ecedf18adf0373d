-- delete_old_quarantine: delete one batch of the rows that are older than the retention allows.
-- Takes   days, row_limit.
-- Rows that another cleaning holds are left to it.
DELETE FROM quarantine WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM quarantine WHERE created_at < now() - make_interval(days => %(days)s)
    LIMIT %(row_limit)s FOR UPDATE SKIP LOCKED
));
