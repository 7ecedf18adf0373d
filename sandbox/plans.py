"""The plans and their quotas, enforced for each key at arrival over exact sliding windows."""

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

SECONDS_A_DAY: Final = 86_400.0
_UNITS: Final = {
    "s": 1, "sec": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600, "d": 86_400, "day": 86_400,
}  # fmt: skip
_WINDOW: Final = re.compile(r"(?P<limit>[1-9]\d{0,8})\s*/\s*(?P<count>[1-9]\d{0,8})?\s*(?P<unit>[a-z]+)", re.ASCII)
_MINUTE: Final = 60
_HOUR: Final = 3600

#: Which of the provider's refusals a full window gives.
Kind = Literal["burst", "minute", "day"]


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``limit`` calls at ``period_s`` seconds' distance or less: any span [t, t + period_s) counts."""

    limit: int
    period_s: float
    kind: Kind
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Plan:
    """What a key may do. Without windows there is no limit."""

    name: str
    windows: tuple[Window, ...]
    premium: bool

    @property
    def quota(self) -> str:
        """The windows as text, such as ``1/s,25/day``."""
        return ",".join(map(str, self.windows)) or "unlimited"

    @property
    def per_second(self) -> int:
        """The burst ceiling that the premium burst text names."""
        return next((window.limit for window in self.windows if window.period_s <= 1), 30)


_QUOTAS: Final = {
    "free": "1/s,25/day",
    "legacy": "5/min,500/day",
    "premium75": "2/s,75/min",
    "premium150": "4/s,150/min",
    "premium300": "8/s,300/min",
    "premium600": "15/s,600/min",
    "premium1200": "30/s,1200/min",
    "unlimited": "",
}
PLAN_NAMES: Final = tuple(_QUOTAS)


def parse_quota(text: str, day_s: float = SECONDS_A_DAY) -> tuple[Window, ...]:
    """Read ``1/s,25/day`` or ``75/15s``; ``unlimited`` is no window. A day lasts ``day_s`` seconds.

    Below a minute a full window is a burst, below an hour a minute, above a day. Raises ValueError.
    """
    if text.strip().lower() in {"", "unlimited"}:
        return ()
    windows = []
    for part in text.lower().split(","):
        match = _WINDOW.fullmatch(part.strip())
        if not match or match["unit"] not in _UNITS:
            raise ValueError(f"{part.strip()[:64]!r} is not a quota window: write 1/s, 75/min, 25/day or 75/15s.")
        nominal = int(match["count"] or 1) * _UNITS[match["unit"]]
        kind: Kind = "burst" if nominal < _MINUTE else "minute" if nominal < _HOUR else "day"
        scale = day_s / SECONDS_A_DAY if kind == "day" else 1
        windows.append(Window(int(match["limit"]), nominal * scale, kind, part.strip()))
    return tuple(sorted(windows, key=lambda window: window.period_s))


def plan_named(name: str = "", quota: str = "", day_s: float = SECONDS_A_DAY) -> Plan:
    """Return a plan, ``free`` by default; ``quota`` replaces its windows. Raises ValueError.

    A quota without a name makes a plan ``custom``: premium if it has no daily window, as the provider's plans are.
    """
    windows = parse_quota(quota or _QUOTAS.get(name or "free", ""), day_s)
    if quota and not name:
        return Plan("custom", windows, premium=all(window.kind != "day" for window in windows))
    if name and name not in _QUOTAS:
        raise ValueError(f"{name[:64]!r} is not a plan: use one of {', '.join(PLAN_NAMES)}.")
    return Plan(name or "free", windows, premium=name not in {"", "free", "legacy"})


class Meter:
    """One key's windows.

    A window needs the arrivals of its last ``limit`` counted calls and no more: it is full while the oldest of them
    is less than a period old. So memory is bounded, and every decision is exact and costs a constant time.

    ``count_refused``: whether a refused call counts too, as the provider says of every request that arrives. Then a
    caller that keeps on above the rate stays refused until it pauses for a whole period, and a day that is hammered
    never opens again. Otherwise only served calls count, and a refusal costs nothing.
    """

    def __init__(self, windows: Sequence[Window], *, count_refused: bool) -> None:
        longest_first = sorted(windows, key=lambda window: -window.period_s)
        self._rings = [(window, deque[float](maxlen=window.limit)) for window in longest_first]
        self._count_refused = count_refused

    def arrive(self, now: float) -> Window | None:
        """Count a call at ``now`` (monotonic seconds, never going back); return the window that refuses it, if any.

        Of several full windows the longest is named: a used-up day says more than a burst.
        """
        full = next((window for window, ring in self._rings if self._is_full(window, ring, now)), None)
        if full is None or self._count_refused:
            for _, ring in self._rings:
                ring.append(now)
        return full

    @staticmethod
    def _is_full(window: Window, ring: deque[float], now: float) -> bool:
        return len(ring) == window.limit and now - ring[0] < window.period_s
