"""The clock that everything is timed by which must notice that this process, or the whole machine, stood still."""

import time


def boot_clock() -> float:
    """Return seconds that never jump and, where the system can, run on while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # Linux only
    return time.monotonic() if clock is None else time.clock_gettime(clock)
