"""A worker's health is that it consumes: shown on a real Celery worker and a real Redis."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from celery import Celery

from local.ports import free_port
from local.services import Redis
from local.state import ROOT
from local.temporary import running, wait_until

pytestmark = pytest.mark.redis


@dataclass
class Worker:
    """A running worker, its file, and a client of its app."""

    process: subprocess.Popen
    file: Path
    app: Celery

    def beat(self) -> int:
        """Return the time of the last beat (ns), 0 before the first one."""
        return self.file.stat().st_mtime_ns if self.file.exists() else 0

    def wait_for_beats(self, what: str) -> None:
        """Wait until it beats again, twice: the first may have been under way."""
        first = self.beat()
        wait_until(lambda: self.beat() > first, what, 60)
        second = self.beat()
        wait_until(lambda: self.beat() > second, what, 60)


@contextmanager
def worker(url: str, home: Path, *, give_up_s: float) -> Iterator[Worker]:
    command = [sys.executable, "-m", "celery", "-A", "tests.support.watched_worker", "worker"]
    environment = os.environ | {"BROKER": url, "GIVE_UP": str(give_up_s), "AIRFLOW_HOME": str(home)}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--concurrency=1", "--hostname=watched@here"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    app = Celery("watched", broker=url)
    try:
        yield Worker(process, home / "watched@here.consuming", app)
    finally:
        app.close()
        process.send_signal(signal.SIGKILL)
        process.wait(20)


def test_worker_beats_idle_and_busy(redis_url: str, tmp_path: Path):
    """A worker is healthy when it waits for messages, and when it takes none because all its slots work."""
    with worker(redis_url, tmp_path, give_up_s=60) as idle, redis.Redis.from_url(redis_url) as client:
        idle.wait_for_beats("an idle worker beats")
        idle.app.send_task("tests.support.watched_worker.hold", ["release"])
        assert client.blpop(["release:begun"], timeout=30)
        idle.wait_for_beats("a busy worker beats")
        client.rpush("release", 1)


def test_deaf_worker_ends_itself(redis_url: str, tmp_path: Path):
    """Without a queue a worker still answers a ping, but beats no more, and ends so that it is started agaiw."""
    with worker(redis_url, tmp_path, give_up_s=6) as deaf:
        deaf.wait_for_beats("it beats")
        deaf.app.control.cancel_consumer("celery")
        assert deaf.app.control.ping(timeout=3)
        deaf.process.wait(60)
        assert "no message could be taken" in (tmp_path / "log").read_text("utf-8")


def test_worker_beats_after_redis_returns(services_folder: Path, tmp_path: Path):
    """While Redis is gone nothing beats; once it is back the same worker does."""
    server = Redis(services_folder / "killed", free_port(), "word")
    server.initialise()
    log = tmp_path / "redis.log"
    with worker(server.url(), tmp_path, give_up_s=120) as cut:
        with running(server.command(), log, stop=signal.SIGKILL):
            cut.wait_for_beats("it beats")
        wait_until(lambda: "Connection to broker lost" in (tmp_path / "log").read_text("utf-8"), "it notices", 60)
        with running(server.command(), log, stop=signal.SIGKILL):
            cut.wait_for_beats("it beats again")
        assert cut.process.poll() is None
