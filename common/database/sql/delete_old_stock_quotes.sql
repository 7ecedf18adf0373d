-- delete_old_stock_quotes: delete one batch of the rows that are older than the retention allows.
-- Takes   days, row_limit.
-- Rows that another cleaning holds are left to it.
DELETE FROM stock_quotes WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM stock_quotes WHERE latest_trading_day < current_date - %(days)s
    LIMIT %(row_limit)s FOR UPDATE SKIP LOCKED
));
