"""Invented prices for any symbol: the same for the same seed, symbol and session, whoever asks and whenever.

The logarithm of a price is a Brownian bridge over all sessions, built by midpoint displacement from hashed Gaussians,
so that any session's price costs a handful of hashes and needs none of the sessions before it. Splits and dividends
have fixed sessions too. Money is in integer ticks of 1/10000, the API's four decimals.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from sandbox.trading_days import SESSION_COUNT, exchange_of

TICKS: Final = 10_000
_CENT: Final = TICKS // 100
_MASK: Final = 2**64 - 1
#: The standard deviation of the walk's end, and the farthest that its logarithm goes: prices stay plausible.
_END_DEVIATION: Final = 0.8
_REACH: Final = 2.0
_QUARTER: Final = 63
_SPLIT_ERA: Final = 1024
#: Symbols with this prefix split every 32 sessions, so that any compact series holds a split.
SPLITTING_PREFIX: Final = "SPLIT"
_SPLITTING_ERA: Final = 32
#: Symbols with this prefix give away a part of the company every 128 sessions, which the provider books as a split.
SPIN_OFF_PREFIX: Final = "SPINOFF"
_SPIN_OFF_ERA: Final = 128
_SPIN_OFF_RATIO: Final = 1.046

#: (session, shares for one) of each split, oldest first.
Splits = tuple[tuple[int, float], ...]

_GOLDEN: Final = 0x9E3779B97F4A7C15


def _random_bits(stream: int, number: int) -> int:
    """Return the ``number``-th 64 random bits of a stream (SplitMix64, Steele et al. 2014, entered at any place)."""
    bits = (stream + number * _GOLDEN) & _MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
    return bits ^ (bits >> 31)


def _gauss(bits: int) -> float:
    """Turn 64 random bits into a nearly normal deviate: the sum of four uniform ones, exact on every platform."""
    total = (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48)
    return (total / 65_536 - 2) * 1.7320508075688772


def _round(price: float) -> int:
    """Return ``price`` in ticks, to the cent from 1.00 on and to the tick below."""
    return round(price * 100) * _CENT if price >= 1 else max(1, round(price * TICKS))


@dataclass(frozen=True, slots=True)
class Bar:
    """One session as traded: raw prices and the dividend in ticks, the split in shares for one."""

    session: int
    day: date
    open: int
    high: int
    low: int
    close: int
    volume: int
    dividend: int
    split: float


class Stock:
    """One symbol's history."""

    def __init__(self, seed: int, symbol: str) -> None:
        self.exchange = exchange_of(symbol)
        digest = blake2b(f"{seed}:{symbol}".encode(), digest_size=32).digest()
        key, traits, dividend, _ = (int.from_bytes(digest[i : i + 8]) for i in range(0, 32, 8))
        self._base = 40 * 10 ** ((traits & 0xFFFF) / 65_536)  # 40 to 400, evenly over the magnitudes
        self._deviation = 0.008 + 0.016 * (traits >> 16 & 0xFFFF) / 65_536
        self._shares = 10 ** (4 + 3.5 * (traits >> 32 & 0xFFFF) / 65_536)
        self._yield = max(0.0, 0.05 * (dividend & 0xFFFF) / 65_536 - 0.015) / 4
        self._ex_dividend = (dividend >> 16) % _QUARTER
        self._walk, self._gap, self._range, self._volume, split = (_random_bits(key, n) for n in range(1, 6))
        if symbol.startswith(SPIN_OFF_PREFIX):
            self._splits: Splits = tuple(
                (at, _SPIN_OFF_RATIO) for at in range(_SPIN_OFF_ERA, SESSION_COUNT, _SPIN_OFF_ERA)
            )
        else:
            self._splits = _plan_splits(split, _SPLITTING_ERA if symbol.startswith(SPLITTING_PREFIX) else _SPLIT_ERA)

    def bar(self, session: int) -> Bar:
        """Return the session's bar."""
        return self.bars(session, session)[0]

    def bars(self, first: int, last: int) -> list[Bar]:
        """Return the bars of the sessions ``first`` to ``last``, oldest first."""
        walk: dict[int, float] = {}
        before = self._price(max(0, first - 1), walk)
        bars = []
        for session in range(first, last + 1):
            price = self._price(session, walk)
            bars.append(self._bar(session, before, price))
            before = price
        return bars

    def splits(self, last: int) -> list[tuple[int, float]]:
        """Return (session, shares for one) of every split up to the session ``last``, oldest first."""
        return [(session, ratio) for session, ratio in self._splits if session <= last]

    def dividends(self, last: int) -> list[tuple[int, int]]:
        """Return (ex-dividend session, ticks a share) of every dividend up to the session ``last``, oldest first."""
        if not self._yield:
            return []
        return [(session, self.bar(session).dividend) for session in range(self._ex_dividend, last + 1, _QUARTER)]

    def _bar(self, session: int, before: float, price: float) -> Bar:
        """Make a bar from the close before it and its own close, both in shares of session 0."""
        factor, split = self._shares_for_one(session)
        close = price / factor
        opening = before / factor * math.exp(0.3 * self._deviation * _gauss(_random_bits(self._gap, session)))
        spread = _random_bits(self._range, session)
        top = max(opening, close) * (1 + self._deviation * (spread & 0xFFFF) / 65_536)
        bottom = min(opening, close) * (1 - self._deviation * (spread >> 16 & 0xFFFF) / 65_536)
        activity = math.exp(0.35 * _gauss(_random_bits(self._volume, session)))
        pays = self._yield > 0 and session % _QUARTER == self._ex_dividend
        return Bar(
            session=session,
            day=self.exchange.sessions[session],
            open=_round(opening),
            high=_round(top),
            low=_round(bottom),
            close=_round(close),
            volume=int(self._shares * factor * activity),
            dividend=max(_CENT, round(close * self._yield * 100) * _CENT) if pays else 0,
            split=split,
        )

    def _price(self, session: int, walk: dict[int, float]) -> float:
        """Return the close in shares of session 0, before rounding."""
        return self._base * math.exp(_REACH * math.tanh(self._level(session, walk) / _REACH))

    def _level(self, session: int, walk: dict[int, float]) -> float:
        """Descend from the bridge's two ends to the session, halving; ``walk`` keeps the midpoints passed."""
        low, high = 0, SESSION_COUNT
        left, right = 0.0, _END_DEVIATION * self._noise(SESSION_COUNT)
        if session == low:
            return left
        while True:
            middle = (low + high) // 2
            if (level := walk.get(middle)) is None:
                deviation = self._deviation * math.sqrt((high - low) / 4)
                level = walk[middle] = (left + right) / 2 + deviation * self._noise(middle)
            if session == middle:
                return level
            if session < middle:
                high, right = middle, level
            else:
                low, left = middle, level

    def _shares_for_one(self, session: int) -> tuple[float, float]:
        """Return how many shares one share of session 0 has become, and this session's own split."""
        factor = split = 1.0
        for at, ratio in self._splits:
            if at > session:
                break
            factor *= ratio
            split = ratio if at == session else 1.0
        return factor, split

    def _noise(self, number: int) -> float:
        return _gauss(_random_bits(self._walk, number))


def _plan_splits(stream: int, era: int) -> Splits:
    """Return (session, shares for one) of every split; every third era has one on average.

    Where splits made the share small, the next one is a reverse split, as companies do.
    """
    splits = []
    factor = 1.0
    for start in range(era, SESSION_COUNT, era):
        bits = _random_bits(stream, start)
        if era == _SPLIT_ERA and bits % 3:
            continue
        ratio = 0.25 if factor > 3 else (2.0, 3.0, 4.0, 1.5)[bits >> 8 & 3]  # noqa: PLR2004  shares for one
        factor *= ratio
        splits.append((start - era + (bits >> 16) % era if era == _SPLIT_ERA else start, ratio))
    return tuple(splits)


class Market:
    """All symbols of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.stock = lru_cache(maxsize=16_384)(lambda symbol: Stock(seed, symbol))


def adjusted_closes(bars: Sequence[Bar]) -> list[float]:
    """Return each bar's close adjusted for all later splits and dividends among ``bars`` (oldest first), not in ticks.

    As the provider does it since about 2020, by its own recorded series: a dividend D scales all earlier closes by
    C / (C + D), where C is the close of the ex-date; a split of n for one by 1/n.
    """
    adjusted = []
    factor = 1.0
    for bar in reversed(bars):
        adjusted.append(bar.close / TICKS * factor)
        factor *= bar.close / (bar.close + bar.dividend) / bar.split
    return adjusted[::-1]
