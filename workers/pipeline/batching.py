"""How many tasks a run has, and how many of them are under way: policy, from the quota and what a task costs."""

from math import ceil
from typing import Final

from common.quota.quota import Quota

# How many symbols share a task. A task costs a fifth of a second of a core, so two cores run eight to ten a second,
# whatever they do; a symbol in a batch costs a fortieth of that. docs/adr/0006-batches.md
_ALONE_UP_TO: Final = 100
_TASKS_A_SECOND: Final = 5.0
#: As many batches as a small cluster has slots, so that all of them work on a run that nothing else slows down; and
#: none that loses much time when its worker is killed.
_BATCHES: Final = 16
_LARGEST_BATCH: Final = 250
#: A symbol that shares its call costs a batch a third of one that does not.
_LARGEST_BATCH_IN_BULK: Final = 1000
#: Where the quota is what slows a run down, a few batches use all of it, and a slot more would be held for nothing: as
#: many as have the calls of so many seconds out at once, and enough that the loss of one leaves the others at work.
_CALL_S: Final = 1.0
_FEWEST_BATCHES: Final = 3

#: What a fetching task takes (s) with all that Airflow does around it, and the tasks that are started ahead of time.
_TASK_S: Final = 2.0
_SPARE_FETCHES: Final = 2
_MOST_FETCHES: Final = 32
#: Windows longer than this (s) postpone, they do not slow down.
_WAITED_FOR_S: Final = 3600


def symbols_per_task(
    count: int, quota: Quota, *, most_tasks: int, concurrency: int, wanted: int | None = None, a_call: int = 1
) -> int:
    """Return how many of ``count`` symbols share a task, so that there are at most ``most_tasks``.

    Unless so many are ``wanted``: one, while that costs no time (few symbols, or a quota that is slower than the tasks
    are), and a batch beyond; where ``a_call`` brings several symbols, batches for which no call is begun in vain. A
    batch makes ``concurrency`` calls at once.
    """
    at_least = ceil(count / most_tasks) or 1
    if wanted:
        return max(wanted, at_least)
    calls = ceil(count / a_call)
    quota_s = max((calls - 1) // window.limit * window.period_s for window in quota.windows)
    if a_call == at_least == 1 and (count <= _ALONE_UP_TO or count <= _TASKS_A_SECOND * quota_s):
        return 1
    unhindered = min(ceil(count / _BATCHES), _LARGEST_BATCH if a_call == 1 else _LARGEST_BATCH_IN_BULK)
    feeding = ceil(calls / max(quota_s, 1) * _CALL_S / concurrency)
    size = max(unhindered, ceil(count / max(feeding, _FEWEST_BATCHES)), at_least)
    return ceil(size / a_call) * a_call


def fetches_at_once(quota: Quota, wanted: int | None = None) -> int:
    """Return how many fetching tasks of a run may be under way: as many as are ``wanted``, or the quota can feed.

    A task is under way for about two seconds. More of them would hold worker slots only to wait in them.
    """
    if wanted:
        return wanted
    windows = [window for window in quota.windows if window.period_s <= _WAITED_FOR_S]
    a_second = min((window.limit / window.period_s for window in windows), default=1.0)
    return min(ceil(_TASK_S * a_second) + _SPARE_FETCHES, _MOST_FETCHES)
