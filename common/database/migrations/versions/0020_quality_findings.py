"""Quality: what the checks found, and which rows changed since they looked last.

Triggers note what changed, in the transaction that changes it, whoever does. A time alone would not tell: a row that
was written before the last look may be committed after it.
"""

from alembic import op

revision = "0020"
down_revision = "0019"

QUALITY_FINDINGS = """
CREATE TABLE quality_findings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    check_name varchar(64) NOT NULL,
    severity varchar(16) NOT NULL,
    symbol varchar(32) COLLATE "C" NOT NULL,
    session date NOT NULL,
    message varchar(2000) NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    opened_at timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now(),
    acknowledged_at timestamptz,
    acknowledged_by varchar(255),
    acknowledged_word varchar(2000),
    resolved_at timestamptz,
    CONSTRAINT quality_findings_key UNIQUE (symbol, check_name, session),
    CONSTRAINT quality_findings_severity CHECK (severity IN ('error', 'warning')),
    CONSTRAINT quality_findings_acknowledged CHECK (
        (acknowledged_at IS NULL) = (acknowledged_by IS NULL)
        AND (acknowledged_at IS NULL) = (acknowledged_word IS NULL)
    )
);
CREATE INDEX quality_findings_open ON quality_findings (severity, opened_at) WHERE resolved_at IS NULL;
CREATE INDEX quality_findings_by_age ON quality_findings (resolved_at) WHERE resolved_at IS NOT NULL;
COMMENT ON TABLE quality_findings IS
    'Stored values that look wrong, by the checks of docs/quality.md: told, and never repaired.';
COMMENT ON COLUMN quality_findings.id IS 'What a person acknowledges it by.';
COMMENT ON COLUMN quality_findings.check_name IS 'The check that found it, such as unexplained_step.';
COMMENT ON COLUMN quality_findings.severity IS 'error: it cannot be true; warning: it may be.';
COMMENT ON COLUMN quality_findings.symbol IS 'The ticker; of a whole exchange its calendar''s code (ISO 10383).';
COMMENT ON COLUMN quality_findings.session IS 'The trading day that it is about.';
COMMENT ON COLUMN quality_findings.message IS 'A sentence with the values.';
COMMENT ON COLUMN quality_findings.first_seen IS 'When it was found for the first time.';
COMMENT ON COLUMN quality_findings.opened_at IS 'Since when it is open; later than first_seen where it came back.';
COMMENT ON COLUMN quality_findings.last_seen IS 'When a check last looked there and found it.';
COMMENT ON COLUMN quality_findings.acknowledged_at IS 'When a person said that it is known; null: nobody has.';
COMMENT ON COLUMN quality_findings.acknowledged_by IS 'Who said so.';
COMMENT ON COLUMN quality_findings.acknowledged_word IS 'Why it needs nothing, in that person''s words.';
COMMENT ON COLUMN quality_findings.resolved_at IS 'When a check looked there and found it no more; null: it is open.';
"""

QUALITY_PENDING = """
CREATE TABLE quality_pending (
    symbol varchar(32) COLLATE "C" PRIMARY KEY,
    first_session date NOT NULL,
    last_session date NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT quality_pending_sessions CHECK (first_session <= last_session)
);
CREATE INDEX quality_pending_by_age ON quality_pending (changed_at);
COMMENT ON TABLE quality_pending IS 'The symbols with rows that changed since the checks looked at them last.';
COMMENT ON COLUMN quality_pending.symbol IS 'The ticker as the provider writes it, such as IBM or TSCO.LON.';
COMMENT ON COLUMN quality_pending.first_session IS 'The first trading day of which a row changed.';
COMMENT ON COLUMN quality_pending.last_session IS 'The last one.';
COMMENT ON COLUMN quality_pending.changed_at IS 'When the last row changed; if during a look, it is looked at again.';
"""

#: The tables that are watched, and their columns of the trading day.
WATCHED = {"daily_bars": "session", "stock_quotes": "latest_trading_day", "corporate_actions": "ex_date"}

# One statement notes all of its rows, in the order of the symbols, in which every writer takes its locks.
NOTE_CHANGES = """
CREATE FUNCTION note_changed_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO quality_pending AS pending (symbol, first_session, last_session)
    SELECT symbol, min({session}), max({session}) FROM changed GROUP BY symbol ORDER BY symbol
    ON CONFLICT (symbol) DO UPDATE SET
        first_session = least(pending.first_session, excluded.first_session),
        last_session = greatest(pending.last_session, excluded.last_session),
        changed_at = clock_timestamp();
    RETURN NULL;
END
$$;
CREATE TRIGGER note_inserted AFTER INSERT ON {table} REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION note_changed_{table}();
CREATE TRIGGER note_updated AFTER UPDATE ON {table} REFERENCING NEW TABLE AS changed
FOR EACH STATEMENT EXECUTE FUNCTION note_changed_{table}();
"""


def upgrade() -> None:
    """Create the tables and the triggers; what is stored already is looked at when a person asks for it."""
    op.execute(QUALITY_FINDINGS)
    op.execute(QUALITY_PENDING)
    for table, session in WATCHED.items():
        op.execute(NOTE_CHANGES.format(table=table, session=session))


def downgrade() -> None:
    """Drop them, and with them what was acknowledged."""
    for table in WATCHED:
        op.execute(f"DROP TRIGGER note_inserted ON {table}")
        op.execute(f"DROP TRIGGER note_updated ON {table}")
        op.execute(f"DROP FUNCTION note_changed_{table}")
    op.execute("DROP TABLE quality_findings, quality_pending")
