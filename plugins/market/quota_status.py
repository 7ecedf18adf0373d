"""The quota: what is used of each window, who waits and until when, and how many calls each hour made."""

from typing import Any, Final

from fastapi import HTTPException

from common.errors import LimiterUnavailable
from common.quota.quota import Window
from plugins.market.page import Document, Page, Table
from plugins.market.paging import as_table, rows_of
from plugins.market.schema import WindowUse

TABLES: Final = ("api_calls", "fetch_outcomes")
_SHOWN: Final = 100
_HOURS: Final = 24
_RETRY_AFTER_S: Final = 5
_NAMES: Final = {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}


def document(page: Page) -> Document:
    """Return the quota now. Where Redis is away, ``away`` says so, and what only it knows is missing."""
    return {
        "quota": str(page.quota.quota),
        **_now(page),
        "waiting": rows_of(page, "waiting", {"row_limit": _SHOWN}),
        "hours": page.reader.query("hourly_calls", {"hours": _HOURS, "key_digest": page.key_digest}).dicts(),
    }


def table(page: Page) -> Table:
    """Return the windows for a file; 503 where Redis is away: a file without a line would look like no quota."""
    usage = _now(page)
    if usage["away"]:
        raise HTTPException(503, usage["away"], {"Retry-After": str(_RETRY_AFTER_S)})
    return as_table({"rows": usage["windows"]}, WindowUse)


def _now(page: Page) -> dict[str, Any]:
    try:
        usage = page.quota.usage()
    except LimiterUnavailable as error:
        unknown = dict.fromkeys(("as_of", "hold_until", "hold_reason", "in_flight", "queued", "deferred"))
        return {**unknown, "windows": [], "away": str(error)}
    return {
        "as_of": usage.at,
        "windows": [_window(used.window, used.used, used.next_at) for used in usage.windows],
        "hold_until": usage.hold_until,
        "hold_reason": usage.held_by or None,
        "in_flight": usage.in_flight,
        "queued": usage.waiting,
        "deferred": usage.deferred,
        "away": None,
    }


def _window(window: Window, used: int, next_at: object) -> dict[str, Any]:
    full = used >= window.limit
    return {
        "name": _NAMES.get(window.period_s, f"{window.period_s} seconds"),
        "seconds": window.period_s,
        "used": used,
        "limit": window.limit,
        "resets_at": next_at if full else None,
    }
