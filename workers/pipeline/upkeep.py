"""What follows a run: rows older than their table's setting are deleted, and the log says what became of them."""

import logging
from math import ceil
from typing import Final

from common.retention.rules import RULES
from common.settings import PipelineSettings
from workers.wiring import Wiring

log = logging.getLogger(__name__)

_DAY_S: Final = 86_400
#: After so many rows of a table the log says how far it is.
_TOLD_EVERY: Final = 100_000


def delete_old(wiring: Wiring) -> dict[str, int]:
    """Delete what is older than the settings say; log a line for each table, and return how many rows it lost."""
    deleted = {}
    for result in wiring.store.retention.delete_old(days_by_table(wiring.settings), _log_progress):
        log.log(logging.WARNING if result.left else logging.INFO, "%s", result)
        deleted[result.table] = result.rows
    return deleted


def days_by_table(settings: PipelineSettings) -> dict[str, int | None]:
    """Return how many days the rows of each table are kept; None: for ever."""
    days = {rule.table: getattr(settings, rule.setting) for rule in RULES}
    if days["api_calls"] is not None:  # a limiter that lost its state counts them again
        days["api_calls"] = max(days["api_calls"], ceil(settings.quota.windows[-1].period_s / _DAY_S) + 1)
    return days


def _log_progress(table: str, rows: int) -> None:
    if rows and rows % _TOLD_EVERY == 0:
        log.info("%s: %s rows deleted so far", table, f"{rows:,}")
