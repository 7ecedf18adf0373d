"""Gaps: the sessions that bars lack, up to which answer that was looked at, and what a whole exchange lacks."""

from alembic import op

revision = "0016"
down_revision = "0015"

BAR_GAPS = """
CREATE TABLE bar_gaps (
    symbol varchar(32) COLLATE "C" NOT NULL,
    first_session date NOT NULL,
    last_session date NOT NULL,
    sessions integer NOT NULL,
    state varchar(16) NOT NULL,
    answers integer NOT NULL,
    asked_at timestamptz,
    ask_again_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (symbol, first_session),
    CONSTRAINT bar_gaps_sessions CHECK (first_session <= last_session AND sessions > 0),
    CONSTRAINT bar_gaps_state CHECK (state IN ('open', 'absent', 'repaired', 'before_listing', 'delisted')),
    CONSTRAINT bar_gaps_answers CHECK (answers >= 0 AND (answers > 0) = (asked_at IS NOT NULL)),
    CONSTRAINT bar_gaps_again CHECK ((state IN ('open', 'absent')) = (ask_again_at IS NOT NULL))
);
COMMENT ON TABLE bar_gaps IS
    'Runs of sessions without a bar, between a symbol''s first bar and its newest, by its exchange''s calendar.';
COMMENT ON COLUMN bar_gaps.sessions IS 'How many sessions are missing.';
COMMENT ON COLUMN bar_gaps.state IS
    'open; absent: the provider has none of it; repaired; before_listing, delisted: there can be no bar.';
COMMENT ON COLUMN bar_gaps.answers IS 'How many replies, each at a time when it was due, spanned it without a bar.';
COMMENT ON COLUMN bar_gaps.asked_at IS 'When the last of these came.';
COMMENT ON COLUMN bar_gaps.ask_again_at IS 'From when on a call on spare quota is worth it; null: never.';
"""

BAR_GAP_CHECKS = """
CREATE TABLE bar_gap_checks (
    symbol varchar(32) COLLATE "C" PRIMARY KEY,
    answered_at timestamptz NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE bar_gap_checks IS 'Up to which answer of the provider each symbol''s bars were looked at for gaps.';
"""

MISSING_SESSIONS = """
CREATE TABLE missing_sessions (
    exchange varchar(8) COLLATE "C" NOT NULL,
    session date NOT NULL,
    missing integer NOT NULL,
    symbols integer NOT NULL,
    resolved_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (exchange, session),
    CONSTRAINT missing_sessions_counts CHECK (missing BETWEEN 0 AND symbols)
);
COMMENT ON TABLE missing_sessions IS
    'Sessions that over a twentieth of an exchange''s symbols lack: the provider lost a day, or the calendar is wrong.';
COMMENT ON COLUMN missing_sessions.exchange IS 'The calendar''s code (ISO 10383).';
COMMENT ON COLUMN missing_sessions.symbols IS 'How many were looked at that have bars before and after it.';
COMMENT ON COLUMN missing_sessions.resolved_at IS 'Since when few of them lack it; null: many do.';
"""


def upgrade() -> None:
    """Create the tables. The first look at a symbol's bars goes through all of them."""
    for statement in (BAR_GAPS, BAR_GAP_CHECKS, MISSING_SESSIONS):
        op.execute(statement)


def downgrade() -> None:
    """Drop them: bars and calendars tell it all again, but for how often the provider was asked."""
    op.execute("DROP TABLE bar_gaps, bar_gap_checks, missing_sessions")
