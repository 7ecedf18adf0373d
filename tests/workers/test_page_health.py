"""The health check of the pages: each is well, ill or away, and one that is silent costs its time-out once."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from common.errors import ConfigurationError, PageDown
from common.settings.pages import PageAddresses
from local.ports import free_port
from workers.health import check_health
from workers.page_health import page_checks

PARTS = ("metadatabase", "scheduler", "triggerer", "dag_processor")
WELL = {part: {"status": "healthy"} for part in PARTS}

Serve = Callable[..., PageAddresses]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Answer paths with a status and a text, in the place of all three programs."""
    servers: list[ThreadingHTTPServer] = []

    def start(**replies: tuple[int, str]) -> PageAddresses:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.strip("/").replace("/", "_")
                status, text = replies.get(name, (404, ""))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        url = f"http://127.0.0.1:{server.server_port}"
        return PageAddresses(health_airflow_url=url, health_flower_url=url, health_exporter_url=url)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_pages_that_answer_are_well(serve: Serve):
    """Each page says that it is well; one that asks for a log-in is up."""
    pages = serve(
        api_v2_monitor_health=(200, json.dumps(WELL)),
        market_api_meta=(401, ""),
        healthcheck=(200, "OK"),
        livez=(200, "alive"),
    )
    said = {name: check() for name, check in page_checks(pages).items()}
    assert said.keys() == {"airflow", "market", "flower", "exporter"}
    assert "scheduler, triggerer, dag_processor healthy" in said["airflow"]


@pytest.mark.parametrize(
    ("name", "replies", "words"),
    [
        ("airflow", {"api_v2_monitor_health": (200, json.dumps({**WELL, "scheduler": None}))}, "scheduler is None"),
        ("airflow", {"api_v2_monitor_health": (200, "a proxy's page")}, "not as Airflow does"),
        ("market", {"market_api_meta": (500, "")}, "answers 500"),
        ("market", {"market_api_meta": (200, "<!doctype html>")}, "not as the Market page does"),
        ("market", {}, "answers 404"),
        ("flower", {"healthcheck": (200, "no")}, "answers 200"),
        ("exporter", {"livez": (503, "")}, "answers 503"),
    ],
)
def test_ill_pages_are_named(serve: Serve, name: str, replies: dict[str, tuple[int, str]], words: str):
    """A page that is not well is named with what it says."""
    with pytest.raises(PageDown, match=words):
        page_checks(serve(**replies))[name]()


def test_absent_pages_are_named(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """A page that does not answer makes the health check fail; without an address none is looked at."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert {check.name for check in check_health()} & {"airflow", "flower", "exporter"} == set()
    monkeypatch.setenv("HEALTH_FLOWER_URL", f"http://127.0.0.1:{free_port()}")
    [flower] = [check for check in check_health() if check.name == "flower"]
    assert not flower.healthy
    assert "does not answer: [Errno 111] Connection refused" in flower.detail


def test_second_host_has_no_pages():
    """A host whose workers joined a cluster looks at none of its pages."""
    there = {"HEALTH_PAGES": "elsewhere", "HEALTH_FLOWER_URL": "http://flower:5555"}
    assert page_checks(PageAddresses.from_environment(there)) == {}


def test_address_of_page_is_checked():
    """An address with a password in it is refused, and not shown."""
    with pytest.raises(ConfigurationError, match="HEALTH_") as caught:
        PageAddresses.from_environment({"HEALTH_FLOWER_URL": "http://user:hunter2@flower"})
    assert "hunter2" not in str(caught.value)


def test_health_tells_who_is_told(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """The health check says whom messages go to, without a secret, and fails for an address that cannot be used."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for urls, healthy, words in (
        ("", True, "nobody is told"),
        ("jsons://hooks.example.com/hunter2hunter2", True, "to jsons://hooks.example.com"),
        ("slack://hunter2hunter2", False, "ALERT_URLS"),
    ):
        monkeypatch.setenv("ALERT_URLS", urls)
        [check] = [check for check in check_health() if check.name == "messages"]
        assert (check.healthy, words in check.detail, "hunter2" in check.detail) == (healthy, True, False)
