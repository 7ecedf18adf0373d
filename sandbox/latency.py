"""The simulated way to the API and back: one delay each way, lognormal, from a seeded generator."""

import math
import random
from dataclasses import dataclass, field
from typing import Final

_P99: Final = 2.3263478740408408  # standard deviations
_LONGEST_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Latency:
    """One-way delays in seconds with this median and 99th percentile, never longer than a minute."""

    median: float
    p99: float
    generator: random.Random = field(repr=False, compare=False)

    def sample(self) -> float:
        """Draw one delay."""
        deviation = math.log(self.p99 / self.median) / _P99
        return min(_LONGEST_S, self.generator.lognormvariate(math.log(self.median), deviation))

    def __str__(self) -> str:
        return f"{self.median:g}:{self.p99:g}"


def parse_latency(text: str, seed: int) -> Latency | None:
    """Read ``0.11:0.5`` (median and 99th percentile, seconds); '' is no latency. Raises ValueError."""
    if not text.strip():
        return None
    try:
        median, p99 = (float(part) for part in text.split(":"))
    except ValueError:
        median = p99 = 0
    if not 0 < median <= p99 <= _LONGEST_S:
        raise ValueError(f"{text[:64]!r} is not a latency: write MEDIAN:P99 in seconds, such as 0.11:0.5.")
    return Latency(median, p99, random.Random(seed))  # noqa: S311  no secret
