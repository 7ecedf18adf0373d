"""What this project changes in Airflow's supervisor of tasks, which has no settings for it.

Each function patches the class that it is given; ``registry.py`` says which sources it was written for.
"""

import logging
from typing import TYPE_CHECKING

import psutil
from airflow.sdk.execution_time.supervisor import ActivitySubprocess

if TYPE_CHECKING:
    import os

    from airflow.sdk.api.datamodels._generated import TaskInstance

log = logging.getLogger(__name__)


def wait_on_process(subprocess: type[ActivitySubprocess] = ActivitySubprocess) -> None:
    """Wait for the task's process itself once its sockets are closed.

    Airflow's supervisor waits on the sockets of the task's process. They reach end of file shortly before the
    process can be reaped; in a third of all tasks the supervisor then waits on nothing for a whole heartbeat
    interval. Waiting on the process (psutil uses a pidfd on Linux) ends when it ends. Unnecessary once
    ``ActivitySubprocess._service_subprocess`` upstream waits on the process too.
    """
    unpatched = subprocess._service_subprocess

    def service(
        self: ActivitySubprocess, max_wait_time: float, raise_on_timeout: bool = False, expect_signal: int | None = None
    ) -> int | None:
        if self._exit_code is None and not self.selector.get_map():
            try:
                self._process.wait(timeout=max(0.01, max_wait_time))
            except psutil.TimeoutExpired:
                log.debug("the task's process lives on without sockets")
            max_wait_time = 0
        code: int | None = unpatched(self, max_wait_time, raise_on_timeout, expect_signal)
        return code

    subprocess._service_subprocess = service  # type: ignore[method-assign,assignment]  # that is what a patch does


def count_start_as_heartbeat(subprocess: type[ActivitySubprocess] = ActivitySubprocess) -> None:
    """Send the first heartbeat one interval after the start, not with it.

    The api-server notes a heartbeat when it hears of the start (``ti_run`` sets ``last_heartbeat_at``). The
    supervisor reckons from the machine's boot and sends another one milliseconds later: a fifth of a short task's
    calls. Unnecessary once ``_last_heartbeat_attempt`` upstream starts at the start.
    """
    unpatched = subprocess._on_child_started

    def started(
        self: ActivitySubprocess,
        *,
        ti: "TaskInstance",
        dag_rel_path: "str | os.PathLike[str]",
        bundle_info: object,
        sentry_integration: str,
    ) -> None:
        unpatched(
            self, ti=ti, dag_rel_path=dag_rel_path, bundle_info=bundle_info, sentry_integration=sentry_integration
        )
        self._last_heartbeat_attempt = self._last_successful_heartbeat

    subprocess._on_child_started = started  # type: ignore[method-assign]  # as above
