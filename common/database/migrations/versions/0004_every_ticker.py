"""Every ticker that the provider lists can be stored; a text that can be none has its line in the ledger."""

from alembic import op

revision = "0004"
down_revision = "0003"

_TABLES = ("stock_quotes", "daily_bars", "quarantine")
_TICKER = r"symbol ~ '^[A-Z0-9.^$*#&-][-A-Z0-9.^=/&$+*'':()#~%!@]*$' AND symbol ~ '[A-Z0-9]'"
_TICKER_BEFORE = "symbol ~ '^[A-Z0-9^][A-Z0-9.^=-]*$'"
#: No blank at an end and no control character: what the report and the log can show.
_LINE = r"symbol ~ '^\S(.*\S)?$' AND symbol !~ '[\u0001-\u001f\u007f]'"


def _check(table: str, rule: str, more: str = "") -> str:
    return f"ALTER TABLE {table} DROP CONSTRAINT {table}_symbol, ADD CONSTRAINT {table}_symbol CHECK ({rule}) {more}"


def upgrade() -> None:
    """Accept more. Every row there is passes, so no table is read."""
    for table in _TABLES:
        op.execute(_check(table, _TICKER, "NOT VALID"))
    op.execute(_check("fetch_outcomes", _LINE, "NOT VALID"))


def downgrade() -> None:
    """Accept less of what comes; what is stored stays."""
    for table in (*_TABLES, "fetch_outcomes"):
        op.execute(_check(table, _TICKER_BEFORE, "NOT VALID"))
