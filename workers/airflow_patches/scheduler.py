"""What this project changes in Airflow's scheduler, which has no settings for it.

Each function patches the class that it is given; ``registry.py`` says which sources it was written for.
"""

import json
import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, cast

from airflow.jobs.scheduler_job_runner import SchedulerJobRunner

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance
    from celery import Celery
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)

#: How long (s) the scheduler pauses at least while tasks are out. A loop takes it a twentieth of a second, so looking
#: costs a fifth of a core at most, where the tasks of a run come and go all the time.
LEAST_PAUSE_S: Final = 0.2
#: With so many tasks out a loop begins no sooner (s) than this after the last one. Two cores end about five tasks in
#: that time, so enough are left in the broker; a loop that takes longer by itself is not held up.
MANY_OUT: Final = 16
LEAST_LOOP_S: Final = 0.5
#: How long (s) a queued task's message may be in no queue before the task is queued again. A worker's slot needs a
#: second or two from taking a message to the task's start; ten times as long bears a restart of the api-server.
LOST_AFTER_S: Final = 15.0

#: Where a scheduler keeps what it waits for, and since when; when it began its last loop; and since when it misses the
#: message of which queued task.
_WAITS: Final = "_stock_data_pipeline_waits"
_LOOPED: Final = "_stock_data_pipeline_looped"
_MISSING: Final = "_stock_data_pipeline_missing"


def adaptive_idle_sleep(runner: type[SchedulerJobRunner] = SchedulerJobRunner, least_s: float = LEAST_PAUSE_S) -> None:
    """Let a scheduler that waits for tasks pause ``least_s`` at first, then half of the time that it has waited.

    Its one setting for the pause (``[scheduler] scheduler_idle_sleep_time``) counts whenever a loop found nothing to
    do: a short one burns a sixth of a core all day, a long one adds itself to each step of a run. It stays the longest
    pause. Unnecessary once the scheduler upstream tells idle from waiting.
    """
    setting = "_scheduler_idle_sleep_time"

    def pause(self: SchedulerJobRunner) -> float:
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


def minimum_loop_interval(
    runner: type[SchedulerJobRunner] = SchedulerJobRunner, least_s: float = LEAST_LOOP_S, many: int = MANY_OUT
) -> None:
    """Let a scheduler that has ``many`` tasks out begin a loop ``least_s`` after the last one, not sooner.

    It pauses only after a loop in which nothing happened, and during a fan-out something always has. Yet each loop
    asks 27 questions and reads all tasks of each run, however few have ended. Airflow's metric of a loop's duration
    holds the wait, too. Unnecessary once the scheduler upstream has a least time between loops.
    """
    unpatched = runner._do_scheduling

    def schedule(self: SchedulerJobRunner, session: "Session") -> int:
        early_s = vars(self).get(_LOOPED, 0.0) + least_s - time.monotonic()
        if early_s > 0 and len(_out(self)) >= many:
            time.sleep(early_s)
        vars(self)[_LOOPED] = time.monotonic()
        return unpatched(self, session)

    runner._do_scheduling = schedule  # type: ignore[method-assign]  # that is what a patch does


def _out(runner: SchedulerJobRunner) -> set[object]:
    """Return the keys of the tasks that wait in the broker or run."""
    return {key for executor in runner.executors for key in (*executor.running, *executor.queued_tasks)}


def retry_after_kill(runner: type[SchedulerJobRunner] = SchedulerJobRunner) -> None:
    """Let a scheduler try a task again at once whose worker was killed, not after the task's retry delay.

    The delay (``TASK_RETRY_DELAY``, five minutes) gives the provider time; a worker that is gone needs none. The tries
    stay bounded. Unnecessary once a retry policy upstream is asked about a heartbeat time-out, too.
    """
    unpatched = runner._purge_task_instances_without_heartbeats

    def purge(
        self: SchedulerJobRunner, task_instances_without_heartbeats: "list[TaskInstance]", *, session: "Session"
    ) -> None:
        for instance in task_instances_without_heartbeats:
            instance.retry_delay_override = 0
        unpatched(self, task_instances_without_heartbeats, session=session)

    runner._purge_task_instances_without_heartbeats = purge  # type: ignore[method-assign]  # as above


def requeue_lost_messages(
    runner: type[SchedulerJobRunner] = SchedulerJobRunner, lost_after_s: float = LOST_AFTER_S
) -> None:
    """Let a scheduler queue a task again whose message is lost, or whose worker died before the task began.

    Airflow waits for the queued time-out, which has to be as long as a backlog may wait (``_get_tis_stuck_in_queued``).
    But a message that waits is in its queue, and one that a worker has taken begins at once: it takes no more than it
    has slots. So a task that is still queued while its message is in no queue for ``lost_after_s`` never begins: Redis
    lost it, or a worker took it and was killed. Should it begin all the same, the api-server refuses the second start.
    Unnecessary once an executor upstream says which of its tasks the broker does not know.
    """
    unpatched = runner._get_tis_stuck_in_queued

    def stuck(self: SchedulerJobRunner, session: "Session") -> "Iterable[TaskInstance]":
        longest = self._task_queued_timeout
        overdue = list(unpatched(self, session))
        self._task_queued_timeout = 0  # all that are queued
        try:
            queued = list(unpatched(self, session))
        finally:
            self._task_queued_timeout = longest
        now = time.monotonic()
        missing = {instance.id: instance for instance in _missing(self, queued)}
        since = {key: vars(self).get(_MISSING, {}).get(key, now) for key in missing}
        vars(self)[_MISSING] = since
        lost = [missing[key] for key, first in since.items() if now - first >= lost_after_s]
        if lost:
            log.warning("queued again, since the broker lost their messages or their worker died: %s", lost)
        return list({instance.id: instance for instance in (*overdue, *lost)}.values())

    runner._get_tis_stuck_in_queued = stuck  # type: ignore[method-assign]  # as above


def _missing(runner: SchedulerJobRunner, queued: "Iterable[TaskInstance]") -> "list[TaskInstance]":
    """Return those of the queued task instances that were published, and whose message is in no queue."""
    published = [
        (instance, executor.workloads[instance.key].task_id, executor.celery_app)
        for instance in queued
        for executor in cast("list[Any]", runner.executors)  # Celery's, or others, which have no workloads
        if instance.key in getattr(executor, "workloads", ())
    ]
    if not published:
        return []
    queues = {str(instance.queue) for instance, *_ in published}
    try:
        waiting = waiting_messages(published[0][2], queues)
    except Exception:
        log.warning("the broker cannot say which tasks wait in it", exc_info=True)
        return []
    return [instance for instance, task_id, _ in published if task_id not in waiting]


def waiting_messages(app: "Celery", queues: Iterable[str]) -> set[str]:
    """Return the ids of the Celery tasks that wait in the Redis ``queues``: one list for each priority."""
    with app.connection_for_read() as connection, connection.channel() as channel:  # which tries once
        keys = [channel._q_for_pri(queue, step) for queue in queues for step in channel.priority_steps]
        return {json.loads(message)["headers"]["id"] for key in keys for message in channel.client.lrange(key, 0, -1)}
