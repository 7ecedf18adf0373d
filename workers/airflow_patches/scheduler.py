"""What this project changes in Airflow's scheduler, which has no settings for it.

Each function patches the class that it is given, so the caller applies them to the version that they were written for
(``workers/celery_config.py``). Free of Airflow itself.
"""

import time
from typing import Any, Final, TypeVar

T = TypeVar("T")

#: Where a scheduler keeps what it waits for, and since when; and when it began its last loop.
_WAITS: Final = "_stock_data_pipeline_waits"
_LOOPED: Final = "_stock_data_pipeline_looped"


def look_often_amid_work(runner: Any, least_s: float) -> None:  # noqa: ANN401  Airflow's SchedulerJobRunner
    """Let a scheduler that waits for tasks pause ``least_s`` at first, then half of the time that it has waited.

    Its one setting for the pause (``[scheduler] scheduler_idle_sleep_time``) counts whenever a loop found nothing to
    do: a short one burns a sixth of a core all day, a long one adds itself to each step of a run. It stays the longest
    pause. Unnecessary once the scheduler upstream tells idle from waiting.
    """
    setting = "_scheduler_idle_sleep_time"

    def pause(self: Any) -> float:  # noqa: ANN401  same
        longest: float = vars(self)[setting]
        out = _out(self)
        if not out:
            return longest
        now = time.monotonic()
        waits_for, since = vars(self).get(_WAITS, (None, now))
        if out != waits_for:
            since = now
        vars(self)[_WAITS] = out, since
        half: float = (now - since) / 2
        return min(longest, max(least_s, half))

    setattr(runner, setting, property(pause, lambda self, seconds: vars(self).update({setting: seconds})))


def space_loops_amid_many(runner: Any, least_s: float, many: int) -> None:  # noqa: ANN401  Airflow's SchedulerJobRunner
    """Let a scheduler that has ``many`` tasks out begin a loop ``least_s`` after the last one, not sooner.

    It pauses only after a loop in which nothing happened, and amid a fan-out something always has. Yet each loop asks
    27 questions and reads all tasks of each run, however few have ended. Airflow's metric of a loop's duration holds
    the wait, too. Unnecessary once the scheduler upstream has a least time between loops.
    """
    shipped = runner._do_scheduling

    def schedule(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the shipped one's
        early_s = vars(self).get(_LOOPED, 0.0) + least_s - time.monotonic()
        if early_s > 0 and len(_out(self)) >= many:
            time.sleep(early_s)
        vars(self)[_LOOPED] = time.monotonic()
        return shipped(self, *args, **kwargs)

    runner._do_scheduling = schedule


def add_mapped_without_lookup(task_map: Any) -> None:  # noqa: ANN401  Airflow's TaskMap
    """Add the instances of a mapped task to the database without asking for each whether it is there.

    ``Session.merge`` asks by its identifier, which has just been made up; 150 instances took the scheduler half a
    second more. Unnecessary once ``TaskMap.expand_mapped_task`` upstream inserts them together, as it means to.
    """
    shipped = task_map.expand_mapped_task

    def expand(task: object, run_id: str, *, session: Any) -> Any:  # noqa: ANN401  SQLAlchemy's Session
        return shipped(task, run_id, session=_Adding(session))

    task_map.expand_mapped_task = staticmethod(expand)


class _Adding:
    """A session that adds what it is to merge."""

    def __init__(self, session: Any) -> None:  # noqa: ANN401  SQLAlchemy's Session
        self._session = session

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the session has
        return getattr(self._session, name)

    def merge(self, instance: T) -> T:
        self._session.add(instance)
        return instance


def _out(runner: Any) -> set[Any]:  # noqa: ANN401  Airflow's
    """Return the keys of the tasks that wait in the broker or run."""
    return {key for executor in runner.executors for key in (*executor.running, *executor.queued_tasks)}
