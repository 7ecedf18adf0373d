"""POST /alerts of the exporter, and Alertmanager's own program against it."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.testclient import TestClient

from common.notify.relay import RelayAnswer
from local.ports import free_port
from local.temporary import wait_until
from monitoring.alerts import accept_for, alerts_route
from tests.conftest import missing
from tests.support.inboxes import Inbox, running_inbox

ALERT = {
    "status": "firing",
    "labels": {"alertname": "RunOverdue"},
    "annotations": {"summary": "the run is overdue"},
    "startsAt": datetime(2026, 11, 28, tzinfo=UTC).isoformat(),
    "fingerprint": "0123456789abcdef",
}
BODY = json.dumps({"alerts": [ALERT]}).encode()


def client(urls: str, host: str = "127.0.0.1") -> TestClient:
    app = Starlette(routes=[alerts_route(accept_for({"ALERT_URLS": urls}))])
    return TestClient(app, client=(host, 50_000))


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with running_inbox() as running:
        yield running


def test_alert_is_passed_on(inbox: Inbox):
    """What is posted arrives as mail, once."""
    there = client(inbox.url)
    assert [there.post("/alerts", content=BODY).status_code for _ in range(2)] == [200, 200]
    assert inbox.texts()[0].startswith("firing: RunOverdue\n")
    assert len(inbox.mails) == 1


def test_away_mail_server_is_answered_500():
    """Alertmanager is told to try again, without a word of the address's secrets."""
    away = Inbox(free_port())
    answer = client(away.url).post("/alerts", content=BODY)
    assert answer.status_code == 500
    assert "Connection refused" in answer.text
    assert "pw-of-the-mail-server" not in answer.text


def test_wrong_setting_is_answered_500():
    """A mistake in ALERT_URLS stops nothing but alerts, and is said to whoever posts one."""
    answer = client("slack://hunter2hunter2").post("/alerts", content=BODY)
    assert (answer.status_code, "ALERT_URLS" in answer.text, "hunter2" in answer.text) == (500, True, False)


@pytest.mark.parametrize(
    ("host", "content", "status"),
    [
        ("8.8.8.8", BODY, 403),
        ("::ffff:8.8.8.8", BODY, 403),
        ("a socket", BODY, 403),
        ("172.18.0.5", BODY, 200),
        ("::ffff:172.18.0.5", BODY, 200),
        ("127.0.0.1", b"x" * 2_000_001, 413),
        ("::1", b"{}", 400),
    ],
)
def test_strangers_and_floods_are_refused(inbox: Inbox, host: str, content: bytes, status: int):
    """Only neighbours may have messages sent, and nobody may fill the memory."""
    assert client(inbox.url, host).post("/alerts", content=content).status_code == status


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """Serve on a free port until the block ends."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, "the server is to start")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def alertmanager(tmp_path: Path, url: str, group_interval: str = "1s") -> Iterator[str]:
    """Run Alertmanager with the relay as its receiver; yield its address."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        missing("Alertmanager is not installed")
    config = {
        "route": {"receiver": "people", "group_wait": "0s", "group_interval": group_interval, "repeat_interval": "1h"},
        "receivers": [{"name": "people", "webhook_configs": [{"url": f"{url}/alerts", "send_resolved": True}]}],
    }
    (tmp_path / "alertmanager.yml").write_text(json.dumps(config), encoding="utf-8")
    port = free_port()
    command = [
        str(program),
        f"--config.file={tmp_path / 'alertmanager.yml'}",
        f"--storage.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), "Alertmanager is to be ready")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def fire(there: str, name: str, *, over: bool = False) -> None:
    """Post to an Alertmanager, as Prometheus does, that an alert fires, or that it is over."""
    now = datetime.now(UTC)
    alert = {"labels": {"alertname": name}, "annotations": {"summary": name}, "startsAt": now.isoformat()}
    ends = {"endsAt": now.isoformat()} if over else {}
    assert requests.post(f"{there}/api/v2/alerts", json=[alert | ends], timeout=10).ok


def test_real_alertmanager_tries_again(tmp_path: Path):
    """A real Alertmanager, whose group a mail server that was away missed, delivers it once when that is back."""
    port, statuses = free_port(), []
    accept = accept_for({"ALERT_URLS": Inbox(port).url})

    def noted(body: bytes) -> RelayAnswer:
        answer = accept(body)
        statuses.append(answer.status)
        return answer

    with serving(Starlette(routes=[alerts_route(noted)])) as relay, alertmanager(tmp_path, relay) as there:
        fire(there, "RunOverdue")
        wait_until(lambda: 500 in statuses, "Alertmanager is to be refused")
        with running_inbox(port) as inbox:
            wait_until(lambda: 200 in statuses, "the mail is to arrive", timeout_s=60)
            assert [mail["Subject"] for mail in inbox.mails] == ["firing: RunOverdue"]


def test_flapping_alert_is_grouped(inbox: Inbox, tmp_path: Path):
    """An alert that ends, begins again and ends within the interval of its group is one more mail, not three."""
    relay = alerts_route(accept_for({"ALERT_URLS": inbox.url}))
    with serving(Starlette(routes=[relay])) as url, alertmanager(tmp_path, url, group_interval="5s") as there:
        fire(there, "RunOverdue")
        wait_until(lambda: inbox.mails, "the first mail is to arrive")
        for over in (True, False, True):
            fire(there, "RunOverdue", over=over)
        wait_until(lambda: len(inbox.mails) > 1, "the second mail is to arrive", timeout_s=30)
        groups = f"{there}/api/v2/alerts/groups"
        wait_until(lambda: requests.get(groups, timeout=10).json() == [], "Alertmanager has nothing more to say", 60)
    assert [mail["Subject"] for mail in inbox.mails] == ["firing: RunOverdue", "resolved: RunOverdue"]
