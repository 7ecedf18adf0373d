"""Designs side by side: each answers in its turn, so that what the machine does meanwhile falls on all of them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

Way = Callable[[], object]

#: The columns of ``compared``.
COLUMNS: Final = ("question", "design", "times", "p50 (ms)", "p95 (ms)", "fastest", "to the first")


def compared(question: str, ways: Mapping[str, Way], times: int, few: int = 3) -> Iterator[tuple[str | float, ...]]:
    """Yield a row of ``COLUMNS`` for each way; the first of ``ways`` is ours. A round before the first is not counted.

    A way whose name ends with ``*`` takes seconds and is asked ``few`` times.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for round_ in range(times + 1):
        for name, way in ways.items():
            if name.endswith("*") and round_ > few:
                continue
            begun = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - begun)
    middle = percentile(next(iter(seconds.values()))[1:], 50)
    for name, (_, *seen) in seconds.items():
        p50 = percentile(seen, 50)
        yield question, name, len(seen), p50 * 1000, percentile(seen, 95) * 1000, min(seen) * 1000, p50 / middle


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest of the values that is not below ``percent`` of them."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
