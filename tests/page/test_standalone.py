"""The page without Airflow: who may reach it, and what a person is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from starlette.testclient import TestClient

from local.ports import free_port
from local.temporary import wait_until
from plugins.market.standalone import standalone

ROOT = Path(__file__).resolve().parents[2]


def test_another_name_is_refused(page_settings):
    """A page of another site that reaches this machine by a name of its own gets nothing."""
    app = standalone(page_settings)
    assert TestClient(app, base_url="http://127.0.0.1").get("/api/symbols").status_code == 200
    assert TestClient(app, base_url="http://localhost:8090").get("/").status_code == 200
    stranger = TestClient(app, base_url="http://evil.example").get("/api/symbols")
    assert (stranger.status_code, "symbol" in stranger.text) == (400, False)


def start(tmp_path: Path, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PIPELINE_STATE": str(tmp_path / "state")}
    command = [sys.executable, "-m", "plugins.market", *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env={**environment, **settings}, cwd=ROOT, **streams)


def test_it_listens_on_loopback_alone(tmp_path, market, redis_url):
    """It says where it is, serves the database that it is given as the reader, and ends well with Ctrl-C."""
    port = free_port()
    address = {"MARKET_DATABASE_URL": market.reader.get_secret_value(), "LIMITER_REDIS_URL": redis_url}
    with start(tmp_path, "--port", str(port), **address) as process:
        try:
            assert f"http://127.0.0.1:{port}/" in process.stdout.readline()
            url = f"http://127.0.0.1:{port}/api/meta"
            wait_until(lambda: requests.get(url, timeout=10).json()["database"] == market.database, "it answers")
            listening = [entry for entry in Path(f"/proc/{process.pid}/net/tcp").read_text().split() if ":" in entry]
            assert f"00000000:{port:04X}" not in listening
        finally:
            process.send_signal(2)
        assert process.wait(20) == 0
        assert market.password not in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "said"),
    [
        ((), {}, 4, "`make up` starts it"),
        (("--port", "0"), {}, 2, "is not a port"),
        ((), {"MARKET_DATABASE_URL": "mysql://u:geheim@h"}, 4, "MARKET_DATABASE_URL"),
    ],
)
def test_what_cannot_be_served(tmp_path, arguments, settings, code, said):
    """One sentence that names the remedy, and no secret in it."""
    process = start(tmp_path, *arguments, **settings)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, said in error, "geheim" in error, "Traceback" in error) == (code, True, False, False)
