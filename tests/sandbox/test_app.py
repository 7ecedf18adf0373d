"""The order of what happens to one request: the way there, the arrival, the way back."""

import asyncio
from pathlib import Path
from typing import Any

from sandbox.app import application
from sandbox.options import Options
from sandbox.state import Sandbox

QUERY = b"function=GLOBAL_QUOTE&symbol=IBM&apikey=k"


def events_of(monkeypatch, options: Options) -> list[Any]:
    """Run one request; return the simulated delays, the arrival and the messages sent, in order."""
    sandbox = Sandbox(options)
    events: list[Any] = []
    add = sandbox.request_log.add

    async def sleep(seconds: float) -> None:
        events.append(seconds)

    async def send(message: dict[str, Any]) -> None:
        events.append(message["type"])

    async def receive() -> dict[str, Any]:
        raise AssertionError("a query has no body")

    def arrive(*values: Any, **more: Any) -> None:
        events.append("arrival")
        add(*values, **more)

    monkeypatch.setattr("asyncio.sleep", sleep)
    monkeypatch.setattr(sandbox.request_log, "add", arrive)
    scope = {"type": "http", "path": "/query", "query_string": QUERY, "headers": []}
    asyncio.run(application(sandbox)(scope, receive, send))
    return events


def test_latency_delays_both_ways(monkeypatch):
    """A call counts when it arrives: after the way there, before the way back."""
    there, arrival, back, *sent = events_of(monkeypatch, Options(latency="0.2:0.5"))
    assert arrival == "arrival"
    assert there != back
    assert min(there, back) > 0
    assert sent == ["http.response.start", "http.response.body"]


def test_without_latency_nothing_waits(monkeypatch):
    """A call arrives and is answered at once."""
    assert events_of(monkeypatch, Options()) == ["arrival", "http.response.start", "http.response.body"]


def test_readme_names_every_fault_and_endpoint():
    """What can be provoked stands in the table, and nothing stands there that is not."""
    from sandbox.control import control_app
    from sandbox.faults import FAULTS, GROUPS

    text = Path(__file__).resolve().parents[2].joinpath("sandbox/README.md").read_text("utf-8")
    table = text.partition("| group | fault |")[2].partition("\n\n")[0]
    named = {
        name.strip("`") for row in table.splitlines() if row.count("|") > 3 for name in row.split("|")[2].split(", ")
    }
    assert {name.strip(" `") for name in named} - {"", "---"} == set(FAULTS)
    assert all(group in table for group in GROUPS)
    for route in control_app(Sandbox(Options())).routes:
        path = str(getattr(route, "path", "")).removesuffix("/redirected")
        assert path in text, path
