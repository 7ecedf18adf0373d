"""What one process has seen of Redis's time and state, to notice when either jumps."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from common.clock import boot_clock

MICROSECONDS: Final = 1_000_000
#: A step of Redis's clock below this cannot be told from a slow reply (s); drift adds a thousandth of the time passed.
STEP_TOLERANCE_S: Final = 0.1
DRIFT: Final = 0.001
#: Without a reference any time is possible: the largest integer that a double holds exactly (µs).
ANY_TIME: Final = 2**53


@dataclass
class Timeline:
    """Thread-safe. Redis's times are in µs since the epoch, this process's clock is in seconds.

    ``patience_s``: how long a call to Redis is waited for, all tries together.
    """

    patience_s: float
    clock: Callable[[], float] = boot_clock
    _known: tuple[str, int] = ("", 0)
    _reference: tuple[int, float] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def not_after(self) -> int:
        """Return the latest that Redis's clock can show while an answer is still waited for."""
        return self._latest(self.clock() + self.patience_s)

    def stepped(self, sent: float, redis_now: int) -> bool:
        """Take in an answer to a call made at ``sent``; return whether Redis's clock jumped ahead since the last one.

        After a jump the reference is forgotten: this answer begins no new one, the next does.
        """
        with self._lock:
            ahead = redis_now > self._latest(self.clock())
            if ahead:
                self._reference = None
            elif self._reference is None or redis_now > self._reference[0]:
                self._reference = (redis_now, sent)
            return ahead

    def remember(self, epoch: str, seen: int) -> None:
        """Note a write that Redis acknowledged: a state of the same epoch that is older has lost it."""
        with self._lock:
            known_epoch, known_seen = self._known
            self._known = (epoch, max(known_seen, seen) if epoch == known_epoch else seen)

    def known(self) -> tuple[str, int]:
        """Return the epoch of the state and the time of the latest write that this process knows of."""
        return self._known

    def _latest(self, moment: float) -> int:
        reference = self._reference
        if reference is None:
            return ANY_TIME
        elapsed = moment - reference[1]
        return reference[0] + int((elapsed * (1 + DRIFT) + STEP_TOLERANCE_S) * MICROSECONDS)
