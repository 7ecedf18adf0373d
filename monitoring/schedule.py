"""How long the schedule may pause, so that a rule can tell late from not yet due."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from croniter import croniter

#: A cron line is followed for so many times: a week of hours, more than a year of days.
_TIMES: Final = 400


def longest_pause_s(schedule: str | timedelta | None, start: datetime) -> float:
    """Return the longest time between two runs that follow ``start`` (s); 0 where nothing is scheduled."""
    if schedule is None:
        return 0
    if isinstance(schedule, timedelta):
        return schedule.total_seconds()
    times = croniter(schedule, start)
    moments: list[float] = [times.get_next(float) for _ in range(_TIMES)]
    return max(later - earlier for earlier, later in pairwise(moments))
