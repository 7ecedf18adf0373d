"""The bars that a statement restates are kept by one INSERT, and no longer by one for each bar.

Only the trigger and its function change; the table, and what is kept, stay.
"""

from alembic import op

revision = "0027"
down_revision = "0026"

# EXCEPT and no join: PostgreSQL keeps the plan that it made for a session's first statement, of a bar or two perhaps,
# and of all ways to join only some are good for ten thousand. Numbers are compared as numbers: 1.0 is 1.00. The time is
# the clock's and not the transaction's: of two that change one bar, the one that began first may come last.
BY_STATEMENT = """
CREATE OR REPLACE FUNCTION keep_bar_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bar_revisions (
        symbol, session, replaced_at, open_price, high_price, low_price, close_price, volume, reply_id
    )
    SELECT
        restated.symbol, restated.session, clock_timestamp(), restated.open_price, restated.high_price,
        restated.low_price, restated.close_price, restated.volume,
        (
            SELECT reply.id FROM raw_replies AS reply
            WHERE reply.symbol = restated.symbol AND reply.function LIKE 'TIME_SERIES_DAILY%'
            ORDER BY reply.last_seen_at DESC LIMIT 1
        )
    FROM (
        SELECT symbol, session, open_price, high_price, low_price, close_price, volume FROM former
        EXCEPT
        SELECT symbol, session, open_price, high_price, low_price, close_price, volume FROM present
    ) AS restated
    ORDER BY restated.symbol, restated.session;
    RETURN NULL;
END
$$;
DROP TRIGGER keep_bar_revision ON daily_bars;
CREATE TRIGGER keep_bar_revision AFTER UPDATE ON daily_bars REFERENCING OLD TABLE AS former NEW TABLE AS present
FOR EACH STATEMENT EXECUTE FUNCTION keep_bar_revision();
"""

BY_ROW = """
CREATE OR REPLACE FUNCTION keep_bar_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bar_revisions (
        symbol, session, replaced_at, open_price, high_price, low_price, close_price, volume, reply_id
    )
    SELECT
        old.symbol, old.session, clock_timestamp(),
        old.open_price, old.high_price, old.low_price, old.close_price, old.volume,
        (
            SELECT reply.id FROM raw_replies AS reply
            WHERE reply.symbol = old.symbol AND reply.function LIKE 'TIME_SERIES_DAILY%'
            ORDER BY reply.last_seen_at DESC LIMIT 1
        );
    RETURN NULL;
END
$$;
DROP TRIGGER keep_bar_revision ON daily_bars;
CREATE TRIGGER keep_bar_revision AFTER UPDATE ON daily_bars FOR EACH ROW
WHEN (
    (old.open_price, old.high_price, old.low_price, old.close_price, old.volume)
    IS DISTINCT FROM (new.open_price, new.high_price, new.low_price, new.close_price, new.volume)
)
EXECUTE FUNCTION keep_bar_revision();
"""


def upgrade() -> None:
    """Put the trigger for statements in the place of the one for rows."""
    op.execute(BY_STATEMENT)


def downgrade() -> None:
    """Put the one for rows back."""
    op.execute(BY_ROW)
