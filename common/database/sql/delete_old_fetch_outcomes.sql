-- delete_old_fetch_outcomes: delete one batch of the rows that are older than the retention allows.
-- Takes   days, row_limit.
-- Rows that another cleaning holds are left to it.
DELETE FROM fetch_outcomes WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM fetch_outcomes WHERE planned_at < now() - make_interval(days => %(days)s)
    LIMIT %(row_limit)s FOR UPDATE SKIP LOCKED
));
