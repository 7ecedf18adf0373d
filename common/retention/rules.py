"""The rule of each table: the column that tells a row's age, the setting with its days, and what is never deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """How long the rows of a table are kept.

    ``age``: the column that tells how old a row is, which an index begins with. ``setting``: the field of
    ``PipelineSettings`` with the days; None there keeps all. ``spared``: the named condition on a row that is never
    deleted, whatever its age, and ``spares`` the same in words. ``step``: how many rows a transaction deletes at most.
    """

    table: str
    age: str
    setting: str
    spared: str = "nothing_spared"
    spares: str = ""
    step: int = 5_000


RULES: Final = (
    Rule("stock_quotes", "latest_trading_day", "data_retention_days"),
    Rule(
        "fetch_outcomes",
        "planned_at",
        "ledger_retention_days",
        spared="run_is_open",
        spares="lines of a run that has open ones",
    ),
    Rule("quote_revisions", "latest_trading_day", "quote_revision_retention_days"),
    Rule("quarantine", "created_at", "quarantine_retention_days"),
    Rule("api_calls", "sent_at", "call_retention_days", spares="calls of the quota's longest window and a day more"),
    Rule(
        "raw_replies",
        "last_seen_at",
        "raw_retention_days",
        spared="quarantine_points_at_it",
        spares="what quarantine points at",
        step=500,  # the history of a symbol fills eighty rows of TOAST
    ),
    Rule("quality_findings", "resolved_at", "finding_retention_days", spares="what is open"),
    Rule(
        "notifications",
        "created_at",
        "notification_retention_days",
        spared="message_waits",
        spares="what waits to be sent",
    ),
)

#: The tables whose rows no age deletes, and why.
KEPT: Final[Mapping[str, str]] = {
    "daily_bars": "what the pipeline is for",
    "bar_revisions": "what an as-of query answers from",
    "corporate_actions": "an adjusted price needs each of them",
    "adjustment_factors": "computed from bars and actions, a few rows a symbol",
    "adjustment_findings": "computed with the factors; one that no longer holds is deleted with the next computation",
    "bar_gaps": "how often the provider was asked for a gap, and what it said",
    "bar_gap_checks": "one row a symbol",
    "quality_pending": "one row for each symbol that the checks have still to look at",
    "missing_sessions": "one row for a day that an exchange lacks",
    "listings": "which company a ticker was, and until when",
    "refused_features": "one row for each right of a key",
}
