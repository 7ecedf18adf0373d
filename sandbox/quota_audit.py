"""The audit of the quota: from a log of arrivals, was any sliding window exceeded, and how much of the quota was used?

Pure functions over times in seconds. A window is half-open: arrivals at t and at t + period are never in one window.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from sandbox.calls import QUOTA_VERDICTS
from sandbox.plans import Window
from sandbox.request_log import Entry

_INSTANT_S: Final = 1e-6


@dataclass(frozen=True, slots=True)
class WindowUse:
    """One window: the most arrivals that any span of its period held."""

    window: str
    limit: int
    period_s: float
    most: int

    @property
    def exceeded(self) -> bool:
        """Whether more arrived than the window allows."""
        return self.most > self.limit


@dataclass(frozen=True, slots=True)
class Report:
    """One key's record. ``refused`` and ``faults`` count by why and which. ``share_used`` is None without windows."""

    key: str
    calls: int
    served: int
    refused: dict[str, int]
    faults: dict[str, int]
    windows: tuple[WindowUse, ...]
    share_used: float | None

    @property
    def within_quota(self) -> bool:
        """Whether no window was ever exceeded and nothing was refused for the quota."""
        return not any(use.exceeded for use in self.windows) and not any(
            f"refused:{why}" in QUOTA_VERDICTS for why in self.refused
        )


def most_in_window(times: Sequence[float], period_s: float) -> int:
    """Return the most of ``times`` (ascending) that any span of ``period_s`` holds."""
    most = first = 0
    for last, moment in enumerate(times):
        while moment - times[first] >= period_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def capacity(windows: Sequence[Window], span_s: float) -> int:
    """Return how many calls all ``windows`` together allow in a span of ``span_s`` that begins with all of them empty.

    Calling as soon as every window allows it is optimal, so it is simulated.
    """
    times: list[float] = []
    while True:
        moment = max(
            (times[-window.limit] + window.period_s for window in windows if len(times) >= window.limit), default=0.0
        )
        if moment >= span_s:
            return len(times)
        times.append(moment)


def share_used(times: Sequence[float], windows: Sequence[Window], span_s: float) -> float:
    """Return the calls in the ``span_s`` seconds from the first one on, as a share of what the windows allow there."""
    if not times:
        return 0.0
    return bisect_left(times, times[0] + span_s) / capacity(windows, span_s)


def judge(entries: Iterable[Entry], windows: Sequence[Window], span_s: float | None = None) -> dict[str, Report]:
    """Rule on every key in a log, by its digest. ``span_s``: how long demand lasted; by default, to the last call."""
    by_key: dict[str, list[Entry]] = {}
    for entry in entries:
        by_key.setdefault(entry.key, []).append(entry)
    return {key: _rule(key, calls, windows, span_s) for key, calls in by_key.items()}


def _rule(key: str, calls: Sequence[Entry], windows: Sequence[Window], span_s: float | None) -> Report:
    times = sorted(call.at for call in calls if call.counted)
    admitted = sorted(call.at for call in calls if call.counted and call.verdict not in QUOTA_VERDICTS)
    kinds = Counter(tuple(call.verdict.partition(":")[::2]) for call in calls)
    span = span_s or (admitted[-1] - admitted[0] if admitted else 0) + _INSTANT_S
    return Report(
        key=key,
        calls=len(calls),
        served=kinds["served", ""],
        refused={why: count for (kind, why), count in kinds.items() if kind == "refused"},
        faults={which: count for (kind, which), count in kinds.items() if kind == "fault"},
        windows=tuple(WindowUse(str(w), w.limit, w.period_s, most_in_window(times, w.period_s)) for w in windows),
        share_used=share_used(admitted, windows, span) if windows else None,
    )
