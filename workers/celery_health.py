"""Whether a Celery worker takes messages: a file says so while it does, and a worker that stops doing so ends.

A ping is answered by a worker that consumes nothing (celery #8030, airflow #63580), and asking costs CPU-seconds. So
the worker's own event loop looks at its consumer every few seconds. Whoever runs the worker (Compose, supervisord)
starts it anew once it has ended.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from airflow.configuration import AIRFLOW_HOME
from celery.bootsteps import StartStopStep
from celery.worker import state

log = logging.getLogger(__name__)

BEAT_S: Final = 5.0
#: A blocking pop returns within a second or so; one without an answer for this long hangs on a dead connection.
POP_OVERDUE_S: Final = 15.0
#: A worker that has taken no message, though it had a free slot, ends itself after this long.
GIVE_UP_S: Final = 45.0
#: How long an idle worker may take over its warm shutdown before it is ended for good.
LAST_WORDS_S: Final = 10.0


class Heartbeat(StartStopStep):  # type: ignore[misc]  # Celery has no types
    """A step of the consumer: it starts with each connection to the broker and stops when that is lost."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **kwargs: Any) -> None:  # noqa: ANN401  Celery has no types
        super().__init__(parent, **kwargs)
        self._file = heartbeat_file(parent.hostname)
        self._timer: Any = None

    def start(self, parent: Any) -> None:  # noqa: ANN401  Celery has no types
        """Beat from the event loop: where that hangs, nothing beats. The pool has forked by now."""
        WATCHDOG.begin()
        self._timer = parent.timer.call_repeatedly(BEAT_S, self._beat, (parent,))

    def stop(self, _: Any) -> None:  # noqa: ANN401  Celery has no types
        """End with the connection."""
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _beat(self, parent: Any) -> None:  # noqa: ANN401  Celery has no types
        if consumes(parent.task_consumer):
            self._file.touch()
            WATCHDOG.beat()


def heartbeat_file(hostname: str) -> Path:
    """Return the file whose time of change is the last moment at which the worker could take a message."""
    return Path(AIRFLOW_HOME) / f"{hostname}.consuming"


def consumes(consumer: Any) -> bool:  # noqa: ANN401  kombu has no types
    """Whether the consumer takes messages, or has good reason not to: every slot is taken.

    With Redis, taking a message is a blocking pop that is under way. ``consumer`` is kombu's; None before it is made.
    """
    channel = getattr(consumer, "channel", None)
    if channel is None or not consumer.queues or not channel.active_queues:
        return False
    if not channel.qos.can_consume():
        return bool(state.reserved_requests)  # else the credit is lost, and nothing would ever come again
    return (
        bool(channel._in_poll) and time.monotonic() - channel._brpop_sent_at < POP_OVERDUE_S
    )  # kombu tells it nowhere else


class Watchdog(threading.Thread):
    """Ends the process when nothing has beaten for too long: warmly first, and for good where that hangs."""

    def __init__(self, give_up_s: float = GIVE_UP_S, end: Callable[[], None] | None = None) -> None:
        super().__init__(name="watchdog", daemon=True)
        self._give_up_s = give_up_s
        self._end = end or end_worker
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
            if state.should_stop is not None or state.should_terminate is not None:
                return
            time.sleep(min(1.0, self._give_up_s / 10))
        log.error("no message could be taken for %.0f s: this worker ends, to be started anew", self.silent_s)
        self._end()


def end_worker() -> None:
    """Let running tasks end, then end the process, even where the event loop hangs."""
    os.kill(os.getpid(), signal.SIGTERM)
    while state.active_requests:
        time.sleep(1)
    time.sleep(LAST_WORDS_S)
    os._exit(1)


WATCHDOG: Final = Watchdog()


def watch(worker: Any) -> None:  # noqa: ANN401  Celery has no types
    """Add the heartbeat, and with it the watchdog, to a worker that is about to be built."""
    worker.app.steps["consumer"].add(Heartbeat)
