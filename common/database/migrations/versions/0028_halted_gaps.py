"""A person can say that a gap's shares were halted, and why; nobody else knows it, so the provider is asked no more.

A state and a column are added; workers of the version before write what they see over it, until they are replaced.
"""

from alembic import op

revision = "0028"
down_revision = "0027"

HALTED = """
ALTER TABLE bar_gaps
    ADD COLUMN word varchar(2000),
    DROP CONSTRAINT bar_gaps_state,
    ADD CONSTRAINT bar_gaps_state
        CHECK (state IN ('open', 'absent', 'repaired', 'before_listing', 'delisted', 'halted')),
    ADD CONSTRAINT bar_gaps_word CHECK (state <> 'halted' OR word IS NOT NULL);
COMMENT ON COLUMN bar_gaps.state IS
    'open; absent: the provider has none; repaired; before_listing, delisted: no bar can be; halted: a person says so.';
COMMENT ON COLUMN bar_gaps.word IS 'Why a person marked it as halted, in that person''s words; null: nobody has.';
"""
BEFORE = """
UPDATE bar_gaps SET state = 'open', ask_again_at = now() WHERE state = 'halted';
ALTER TABLE bar_gaps
    DROP CONSTRAINT bar_gaps_word,
    DROP COLUMN word,
    DROP CONSTRAINT bar_gaps_state,
    ADD CONSTRAINT bar_gaps_state CHECK (state IN ('open', 'absent', 'repaired', 'before_listing', 'delisted'));
COMMENT ON COLUMN bar_gaps.state IS
    'open; absent: the provider has none of it; repaired; before_listing, delisted: there can be no bar.';
"""


def upgrade() -> None:
    """Add both. The table is read once, for the check."""
    op.execute(HALTED)


def downgrade() -> None:
    """Open what was marked, and drop the words."""
    op.execute(BEFORE)
