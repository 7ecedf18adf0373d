"""Waiting for the parts of a cluster: which one does not come, and why."""

import time
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import redis
import requests

from common.redaction import Redactor, one_line
from local.processes import Supervisor, last_lines


class ClusterFailed(Exception):
    """The cluster could not be started; the message says which part and where its log is."""


@dataclass(frozen=True)
class Waiter:
    """Waits for parts of one cluster. ``redactor`` hides the secrets in the words of programs and drivers.

    ``starting``: everything is on its way up, so that a program which ends meanwhile is no use waiting for.
    """

    supervisor: Supervisor
    logs: Path
    redactor: Redactor
    starting: bool

    def wait_for(self, part: str, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait until ``ready``; what a part that is not there raises is no answer. Raises ClusterFailed."""
        deadline = time.monotonic() + timeout_s
        problem = "it does not answer"
        while time.monotonic() < deadline:
            try:
                if ready():
                    return
            except (OSError, psycopg2.Error, redis.RedisError, requests.RequestException, RuntimeError) as error:
                problem = one_line(f"{type(error).__name__}: {error}".strip(), 300)
            if self.starting:
                self.refuse_ended()
            time.sleep(0.2)
        down = ", ".join(name for name, (state, _) in self.supervisor.states().items() if state != "RUNNING")
        raise ClusterFailed(
            self.redactor.text(
                f"{part} is not healthy after {timeout_s:.0f} s ({problem}; not running: {down or 'none'}): "
                f"see {self.logs}"
            )
        )

    def refuse_ended(self) -> None:
        """Raise ClusterFailed for a program that has ended, with its last words."""
        try:
            ended = self.supervisor.ended()
        except (OSError, xmlrpc.client.Error):
            ended = ["supervisord"]
        for name in ended:
            log = self.supervisor.log if name == "supervisord" else self.logs / f"{name}.log"
            raise ClusterFailed(self.redactor.text(f"{name} ended: {last_lines(log)} (see {log})"))
