"""What a line of our logs says and looks like, in this process and in programs of ours."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from threading import Thread

import pytest

from common import logs
from common.errors import ConfigurationError
from common.logs import bound
from common.redaction import Redactor
from common.settings import LogSettings
from local.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
log = logging.getLogger("common.somewhere")


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    """The root logger, as it was afterwards."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield root
    root.setLevel(level)
    root.handlers = handlers


def test_json_line_has_what_is_bound(root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]):
    """A line is one object with time, level, logger, words and what is bound, without secrets."""
    logs.configure(Redactor(["hunter2hunter2"]), as_json=True)
    with bound(run="manual__1", symbol="IBM", attempt=2, worker="worker-1"):
        log.warning("no reply from %s\nhunter2hunter2", "there")
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "common.somewhere",
        "event": "no reply from there\\x0a***",
        "run": "manual__1",
        "symbol": "IBM",
        "attempt": "2",
        "worker": "worker-1",
    }


def test_readable_line_has_it_too(root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]):
    """By default the line is for a person, with what is bound in brackets; without, it has none."""
    logs.configure(Redactor(), as_json=False, plain=logs.PLAIN)
    with bound(run="manual__1", symbol="IBM"):
        log.warning("no reply")
    log.warning("no reply")
    assert capsys.readouterr().err == "WARNING no reply  [run=manual__1 symbol=IBM]\nWARNING no reply\n"


@pytest.mark.parametrize("as_json", [True, False])
def test_traceback_is_redacted(root_logger: logging.Logger, capsys: pytest.CaptureFixture[str], as_json: bool):
    """An exception is logged whole but for its secrets."""
    logs.configure(Redactor(["hunter2hunter2"]), as_json=as_json)
    for text in ("hunter2hunter2", "harmless"):
        try:
            int(text)
        except ValueError:
            log.exception("it broke")
    seen = capsys.readouterr().err
    assert "hunter2" not in seen
    assert seen.count("ValueError: invalid literal") == 2


def test_threads_take_the_context_along(root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]):
    """A thread that is started with a copy of the context logs what was bound before it."""
    logs.configure(Redactor(), as_json=True)
    with bound(run="manual__1"):
        thread = Thread(target=copy_context().run, args=(log.warning, "from a thread"))
        thread.start()
        thread.join()
    assert json.loads(capsys.readouterr().err)["run"] == "manual__1"


def test_other_formats_are_refused():
    """LOG_FORMAT is text or json; anything else is said to be wrong."""
    assert not LogSettings.from_environment({}).as_json
    with pytest.raises(ConfigurationError, match="LOG_FORMAT='xml'"):
        LogSettings.from_environment({"LOG_FORMAT": "xml"})


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "workers.fetch_and_store", "--symbol", "IBM", "--verbose"],
        ["-m", "monitoring", "--port", "0"],
        ["-m", "plugins.market", "--port", "PORT"],
        ["-m", "sandbox", "--port", "0"],
    ],
    ids=lambda words: words[1],
)
def test_programs_log_json(environment: dict[str, str], market: object, words: list[str], tmp_path: Path):
    """Where LOG_FORMAT=json, each line that a program of ours logs is an object of JSON."""
    port = str(free_port())
    command = [sys.executable, *(port if word == "PORT" else word for word in words)]
    there = {**os.environ, **environment, "LOG_FORMAT": "json", "PYTHONPATH": str(ROOT), "MONITOR_DB_PASSWORD": "x" * 8}
    there |= {"AIRFLOW__CELERY__BROKER_URL": environment["LIMITER_REDIS_URL"], "AIRFLOW_HOME": str(tmp_path)}
    script = tmp_path / "sitecustomize.py"  # logs a line of its own once uvicorn or the command has set all up
    script.write_text(_LINE, encoding="utf-8")
    there["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{ROOT}"
    process = subprocess.Popen(
        command, env=there, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        line = process.stderr.readline() if process.stderr else ""
    finally:
        process.terminate()
        process.communicate()
    assert {"timestamp", "level", "logger", "event"} <= json.loads(line).keys(), line


_LINE = """
import threading, time, logging
def say():
    time.sleep(0.2)
    while not (logging.getLogger().handlers or logging.getLogger("uvicorn").handlers):
        time.sleep(0.05)
    logging.getLogger("uvicorn.error").warning("a line")
threading.Thread(target=say, daemon=True).start()
"""
