"""A reply that is a session behind the one that was wanted: stored, but stale, and asked for again."""

from alembic import op

revision = "0006"
down_revision = "0005"

_BEFORE = "'planned', 'stored', 'skipped', 'postponed', 'quarantined', 'failed'"


def upgrade() -> None:
    """Add the status, the session that the plan wants, and the one that came."""
    op.execute(f"""
        ALTER TABLE fetch_outcomes
            ADD COLUMN wanted_session date,
            ADD COLUMN session date,
            DROP CONSTRAINT fetch_outcomes_status,
            ADD CONSTRAINT fetch_outcomes_status CHECK (status IN ({_BEFORE}, 'stale')) NOT VALID;
        COMMENT ON COLUMN fetch_outcomes.wanted_session IS 'The latest completed session when the run was planned.';
        COMMENT ON COLUMN fetch_outcomes.session IS 'The trading day of the row that was stored.';
    """)


def downgrade() -> None:
    """Take them away; what was stale was stored."""
    op.execute("UPDATE fetch_outcomes SET status = 'stored' WHERE status = 'stale'")
    op.execute(f"""
        ALTER TABLE fetch_outcomes
            DROP COLUMN wanted_session,
            DROP COLUMN session,
            DROP CONSTRAINT fetch_outcomes_status,
            ADD CONSTRAINT fetch_outcomes_status CHECK (status IN ({_BEFORE})) NOT VALID
    """)
