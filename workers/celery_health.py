"""Whether a Celery worker takes messages: a file says so while it does, and a worker that stops doing so ends.

A ping is answered by a worker that consumes nothing (celery #8030, airflow #63580), and asking costs CPU-seconds. So
the worker's own event loop looks at its consumer every few seconds. Whoever runs the worker (Compose, supervisord)
starts it again once it has ended.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

log = logging.getLogger(__name__)

#: How often the worker's event loop looks at its consumer (s).
BEAT_S: Final = 5.0
#: A blocking pop returns within a second or so; one without an answer for this long hangs on a dead connection.
POP_OVERDUE_S: Final = 15.0
#: A worker that has taken no message, though it had a free slot, ends itself after this long.
GIVE_UP_S: Final = 45.0
#: How long an idle worker may take over its warm shutdown before it is ended for good.
SHUTDOWN_GRACE_S: Final = 10.0


class WorkerState(Protocol):
    """What ``celery.worker.state`` tells of this process: the requests that are taken, and whether it stops."""

    reserved_requests: Any
    active_requests: Any
    should_stop: Any
    should_terminate: Any


def heartbeat_file(home: Path, hostname: str) -> Path:
    """Return the file whose time of change is the last time at which the worker could take a message."""
    return home / f"{hostname}.consuming"


def consumes(consumer: Any, state: WorkerState) -> bool:
    """Whether the consumer takes messages, or has good reason not to: every slot is taken.

    With Redis, taking a message is a blocking pop that is under way. ``consumer`` is kombu's; None before it is made.
    """
    channel = getattr(consumer, "channel", None)
    if channel is None or not consumer.queues or not channel.active_queues:
        return False
    if not channel.qos.can_consume():
        return bool(state.reserved_requests)  # else the credit is lost, and nothing would ever come again
    # kombu tells it nowhere else
    return bool(channel._in_poll) and time.monotonic() - channel._brpop_sent_at < POP_OVERDUE_S


class Watchdog(threading.Thread):
    """Ends the process when nothing has beaten for too long: warmly first, and for good where that hangs."""

    def __init__(self, state: WorkerState, *, give_up_s: float, end: Callable[[], None]) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._state = state
        self._give_up_s = give_up_s
        self._end = end
        self._last = time.monotonic()

    def beat(self) -> None:
        """Say that all is well."""
        self._last = time.monotonic()

    @property
    def silent_s(self) -> float:
        """How long nothing has beaten."""
        return time.monotonic() - self._last

    def begin(self) -> None:
        """Start with the first connection; until then Celery keeps trying, and the health check says so."""
        if not self.is_alive():
            self.start()

    def run(self) -> None:
        """Wait until it is too long; a shutdown that was asked for takes the time that the tasks take."""
        self.beat()
        while self.silent_s < self._give_up_s:
            if self._state.should_stop is not None or self._state.should_terminate is not None:
                return
            time.sleep(min(1.0, self._give_up_s / 10))
        log.error("no message could be taken for %.0f s: this worker ends, to be started again", self.silent_s)
        self._end()


@dataclass
class Heartbeat:
    """The heartbeat of one worker: a file that is touched, and a watchdog that is told, while messages are taken."""

    home: Path
    state: WorkerState
    give_up_s: float = GIVE_UP_S
    beat_s: float = BEAT_S

    def __post_init__(self) -> None:
        self._watchdog = Watchdog(self.state, give_up_s=self.give_up_s, end=self._end_worker)
        self._timer: Any = None

    def start(self, consumer: Any) -> None:
        """Beat from the event loop: where that hangs, nothing beats. The pool has forked by now."""
        self._watchdog.begin()
        self._timer = consumer.timer.call_repeatedly(self.beat_s, self._beat, (consumer,))

    def stop(self) -> None:
        """End with the connection."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _beat(self, consumer: Any) -> None:
        if consumes(consumer.task_consumer, self.state):
            heartbeat_file(self.home, consumer.hostname).touch()
            self._watchdog.beat()

    def _end_worker(self) -> None:
        """Let running tasks end, then end the process, even where the event loop hangs."""
        os.kill(os.getpid(), signal.SIGTERM)
        while self.state.active_requests:
            time.sleep(1)
        time.sleep(SHUTDOWN_GRACE_S)
        os._exit(1)


def watch(worker: Any, step: type[Any], heartbeat: Heartbeat) -> None:
    """Give a worker that is about to be built the heartbeat; ``step`` is ``celery.bootsteps.StartStopStep``.

    The step starts with each connection to the broker and stops when that is lost.
    """

    class HeartbeatStep(step):  # type: ignore[misc]  # the base is an argument, so that this module needs no Celery
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, parent: Any) -> None:
            heartbeat.start(parent)

        def stop(self, parent: Any) -> None:
            del parent
            heartbeat.stop()

    worker.app.steps["consumer"].add(HeartbeatStep)
