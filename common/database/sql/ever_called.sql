-- ever_called: whether any call was ever made, as far as this database knows.
-- Returns one row with one boolean.
SELECT EXISTS (SELECT FROM api_calls) OR EXISTS (SELECT FROM fetch_outcomes WHERE api_calls > 0);
