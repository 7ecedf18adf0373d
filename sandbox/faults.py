"""Which fault a call meets: asked for by header or symbol, or drawn from a mix.

A draw depends on the seed, the symbol and how many calls for it came before, on nothing else: the same run meets the
same faults however its calls interleave.
"""

import random
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final, Literal

from sandbox.calls import Call
from sandbox.payload_faults import PAYLOAD_FAULTS
from sandbox.refusal_faults import REFUSALS
from sandbox.wire_faults import HTTP_FAULTS, NETWORK_FAULTS, SLOW_FAULTS

HEADER: Final = b"x-sandbox-fault"
#: ``FAULT-RESET-BEFORE`` always meets the fault, ``FAULT2-RESET-BEFORE`` on its first two calls only.
_SYMBOL: Final = re.compile(r"FAULT(?P<times>\d{0,3})-(?P<name>[A-Z0-9-]+)", re.ASCII)
_SYMBOLS_REMEMBERED: Final = 100_000

Group = Literal["network", "slow", "http", "payload", "refusal"]

GROUPS: Final[dict[Group, tuple[str, ...]]] = {
    "network": tuple(NETWORK_FAULTS),
    "slow": tuple(SLOW_FAULTS),
    "http": tuple(HTTP_FAULTS),
    "payload": tuple(PAYLOAD_FAULTS),
    "refusal": tuple(REFUSALS),
}
FAULTS: Final = tuple(name for names in GROUPS.values() for name in names)
#: ``all`` leaves the refusals out: what they say is final for a symbol or a run, which no fault of the network is.
ALL: Final = tuple(name for group, names in GROUPS.items() if group != "refusal" for name in names)


@dataclass(frozen=True, slots=True)
class Mix:
    """Faults with the share of calls that each meets."""

    text: str
    shares: tuple[tuple[str, float], ...]

    def pick(self, draw: float) -> str | None:
        """Return the fault at ``draw`` (0 to 1), or None beyond the shares' sum."""
        for name, share in self.shares:
            draw -= share
            if draw < 0:
                return name
        return None


def parse_mix(text: str) -> Mix:
    """Read ``reset-before:0.05,http500:0.1`` or ``all:0.3``; a group's share is spread evenly. Raises ValueError."""
    shares: Counter[str] = Counter()
    for part in filter(None, (part.strip().lower() for part in text.split(","))):
        name, _, number = part.partition(":")
        names = ALL if name == "all" else GROUPS.get(name, (name,))  # type: ignore[call-overload]  # any text may come
        share = _share(part, number)
        for each in names:
            require_known(each)
            shares[each] += share / len(names)  # type: ignore[assignment]  # a Counter of shares
    if sum(shares.values()) > 1 + 1e-9:
        raise ValueError(f"the shares of {text[:128]!r} add up to more than 1.")
    return Mix(text, tuple(shares.items()))


def _share(part: str, number: str) -> float:
    try:
        share = float(number)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise ValueError(f"{part[:64]!r} is not a fault with its share: write name:0.05.")
    return share


def require_known(name: str) -> None:
    """Raise ValueError for a name that is no fault's."""
    if name not in FAULTS:
        raise ValueError(f"{name[:64]!r} is not a fault: use all, {', '.join(GROUPS)}, or one of {', '.join(FAULTS)}.")


class FaultPicker:
    """Decides for each call. ``mix`` may be replaced while it runs."""

    def __init__(self, seed: int, mix: Mix) -> None:
        self.mix = mix
        self._seed = seed
        self._calls: Counter[str] = Counter()

    def pick(self, call: Call, header: str) -> str | None:
        """Return the call's fault: the header's, else the symbol's, else the mix's."""
        if header:
            return header
        asked = _asked_by_symbol(call.symbol)
        if not asked and not self.mix.shares:
            return None
        if asked:
            symbol, name, times = asked
            return name if not times or self._count(symbol) <= times else None
        number = self._count(call.symbol)
        draw = random.Random(f"{self._seed}:{call.function}:{call.symbol}:{number}").random()  # noqa: S311  no secret
        return self.mix.pick(draw)

    def forget(self) -> None:
        """Start counting calls again."""
        self._calls.clear()

    def _count(self, symbol: str) -> int:
        if len(self._calls) >= _SYMBOLS_REMEMBERED:
            self._calls.clear()
        self._calls[symbol] += 1
        return self._calls[symbol]


def _asked_by_symbol(text: str) -> tuple[str, str, int] | None:
    """Return the one of the symbols that names a fault, the fault, and for how many calls (0: for all)."""
    if "FAULT" not in text:
        return None
    for symbol in text.split(","):
        match = _SYMBOL.fullmatch(symbol.strip())
        if match and (name := match["name"].lower()) in FAULTS:
            return match[0], name, int(match["times"] or 0)
    return None
