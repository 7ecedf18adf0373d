"""What a quota is: the windows that hold at once, and those of Alpha Vantage's plans."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from pydantic import SecretStr

from common.errors import ConfigurationError

_PERIODS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "day": 86_400,
    "d": 86_400,
}
#: What a window may be. Redis remembers each call of it (about 100 bytes); the largest plan has 1,200 a minute.
MAX_CALLS = 100_000
MAX_PERIOD_S = 31 * 86_400
MAX_WINDOWS = 6
_WINDOW = re.compile(r"(?P<limit>[1-9][0-9]{0,17})\s*/\s*(?P<count>[1-9][0-9]{0,17})?\s*(?P<unit>[a-z]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``limit`` calls in any ``period_s`` seconds (a sliding window, not a calendar one)."""

    limit: int
    period_s: int

    def __post_init__(self) -> None:
        if not (1 <= self.limit <= MAX_CALLS and 1 <= self.period_s <= MAX_PERIOD_S):
            raise ConfigurationError(
                f"{self} is no quota window: it is 1 to {MAX_CALLS:,} calls in 1 s to {MAX_PERIOD_S // 86_400} days.",
                variable="ALPHA_VANTAGE_QUOTA",
            )

    def __str__(self) -> str:
        names = {1: "s", 60: "min", 3600: "hour", 86_400: "day"}
        return f"{self.limit}/{names.get(self.period_s, f'{self.period_s}s')}"


@dataclass(frozen=True, slots=True)
class Quota:
    """The windows that hold at once, shortest period first, as in ``1/s,25/day``."""

    windows: tuple[Window, ...]

    def __post_init__(self) -> None:
        periods = [window.period_s for window in self.windows]
        if not 1 <= len(periods) <= MAX_WINDOWS or sorted(set(periods)) != periods:
            raise ConfigurationError(
                f"a quota needs 1 to {MAX_WINDOWS} windows, one for each period, not {str(self)[:64]!r}.",
                variable="ALPHA_VANTAGE_QUOTA",
            )

    def __str__(self) -> str:
        return ",".join(str(window) for window in self.windows)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``1/s,25/day`` (units: s, min, hour, day; ``75/15s`` for other periods).

        Raises ConfigurationError that names the part which cannot be read.
        """
        windows = []
        for part in text.lower().split(","):
            match = _WINDOW.fullmatch(part.strip())
            if not match or match["unit"] not in _PERIODS:
                raise ConfigurationError(
                    f"{part.strip()[:64]!r} is not a quota window: write limit/period, such as 1/s, 75/min, 25/day "
                    "or 75/15s, several of them with commas.",
                    variable="ALPHA_VANTAGE_QUOTA",
                )
            windows.append(Window(int(match["limit"]), int(match["count"] or 1) * _PERIODS[match["unit"]]))
        return cls(tuple(sorted(windows, key=lambda window: window.period_s)))


#: The plan without a price. Every other one is premium.
FREE: Final = "free"
#: Alpha Vantage's plans. Premium plans have no daily cap, but a ceiling a second: 30/s on 1200/min, and the
#: same ratio (a fortieth of the minute, at least one) on the smaller ones.
PLANS: dict[str, Quota] = {
    FREE: Quota.parse("1/s,25/day"),
    "premium75": Quota.parse("2/s,75/min"),
    "premium150": Quota.parse("4/s,150/min"),
    "premium300": Quota.parse("8/s,300/min"),
    "premium600": Quota.parse("15/s,600/min"),
    "premium1200": Quota.parse("30/s,1200/min"),
}


def chosen_quota(plan: str, spelled_out: str) -> Quota:
    """Return the windows that are spelled out, or the plan's."""
    if spelled_out:
        return Quota.parse(spelled_out)
    if plan not in PLANS:
        raise ConfigurationError(
            f"ALPHA_VANTAGE_PLAN={plan[:64]!r} is not a plan: use one of {', '.join(PLANS)}, or spell the windows out "
            "in ALPHA_VANTAGE_QUOTA.",
            variable="ALPHA_VANTAGE_PLAN",
        )
    return PLANS[plan]


def key_digest(key: SecretStr) -> str:
    """Return what stands for an API key in the limiter's names and in the ledger of calls."""
    return hashlib.sha256(key.get_secret_value().encode()).hexdigest()[:12]
