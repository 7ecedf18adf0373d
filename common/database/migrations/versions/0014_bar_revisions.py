"""What a restated bar was before: a trigger keeps the former values, whoever changes the bar.

Only a table, a trigger and a function are added; workers of the version before keep revisions from then on as well.
"""

from alembic import op

revision = "0014"
down_revision = "0013"

# Adjusted closes are left out: each dividend changes all of them, and none of them is ours.
BAR_REVISIONS = """
CREATE TABLE bar_revisions (
    symbol varchar(32) COLLATE "C" NOT NULL,
    session date NOT NULL,
    replaced_at timestamptz NOT NULL,
    open_price numeric(20, 6) NOT NULL,
    high_price numeric(20, 6) NOT NULL,
    low_price numeric(20, 6) NOT NULL,
    close_price numeric(20, 6) NOT NULL,
    volume bigint NOT NULL,
    reply_id bigint,
    PRIMARY KEY (symbol, session, replaced_at)
);
COMMENT ON TABLE bar_revisions IS 'The values that a daily bar had until the provider restated it; kept for ever.';
COMMENT ON COLUMN bar_revisions.replaced_at IS 'Until when the bar had these values.';
COMMENT ON COLUMN bar_revisions.reply_id IS
    'The reply in raw_replies that replaced them: the symbol''s daily series that came last. Null: none was kept.';
"""

# The time is the clock's and not the transaction's: of two that change one bar, the one that began first may come last.
KEEP_BAR_REVISION = """
CREATE FUNCTION keep_bar_revision() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER keep_bar_revision AFTER UPDATE ON daily_bars FOR EACH ROW
WHEN (
    (old.open_price, old.high_price, old.low_price, old.close_price, old.volume)
    IS DISTINCT FROM (new.open_price, new.high_price, new.low_price, new.close_price, new.volume)
)
EXECUTE FUNCTION keep_bar_revision();
"""

# A row type and no list of columns: only so a condition on the symbol keeps the collation that the keys have.
DAILY_BARS_AS_OF = """
CREATE FUNCTION daily_bars_as_of(at timestamptz) RETURNS SETOF bar_revisions LANGUAGE sql STABLE AS $$
    SELECT
        bar.symbol, bar.session, former.replaced_at,
        coalesce(former.open_price, bar.open_price), coalesce(former.high_price, bar.high_price),
        coalesce(former.low_price, bar.low_price), coalesce(former.close_price, bar.close_price),
        coalesce(former.volume, bar.volume), former.reply_id
    FROM daily_bars AS bar
    LEFT JOIN LATERAL (
        SELECT * FROM bar_revisions AS revision
        WHERE revision.symbol = bar.symbol AND revision.session = bar.session AND revision.replaced_at > at
        ORDER BY revision.replaced_at LIMIT 1
    ) AS former ON true
    WHERE bar.created_at <= at
$$;
COMMENT ON FUNCTION daily_bars_as_of IS
    'The daily bars as they stood at that time; replaced_at says until when, and is null where they stand so still.';
"""

RIGHTS = "REVOKE UPDATE, DELETE ON bar_revisions FROM market_app"


def upgrade() -> None:
    """Create them; what was is only added to, also by the workers."""
    for statement in (BAR_REVISIONS, KEEP_BAR_REVISION, DAILY_BARS_AS_OF, RIGHTS):
        op.execute(statement)


def downgrade() -> None:
    """Drop them, and with them the former values."""
    op.execute("DROP FUNCTION daily_bars_as_of")
    op.execute("DROP TRIGGER keep_bar_revision ON daily_bars")
    op.execute("DROP FUNCTION keep_bar_revision")
    op.execute("DROP TABLE bar_revisions")
