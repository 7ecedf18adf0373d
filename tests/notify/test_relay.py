"""Alertmanager's requests: a message a group, each state of an alert once, and a 500 where it was not told."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from common.notify import read_addresses
from common.notify.message import MAX_BODY
from common.notify.relay import Relay
from local.ports import free_port
from tests.support.inboxes import Hook, Inbox, running_inbox

BEGAN = datetime(2026, 11, 28, 6, 30, tzinfo=UTC)


def alert(name: str, status: str = "firing", began: datetime = BEGAN, **annotations: str) -> dict[str, Any]:
    """Return an alert as Alertmanager sends it."""
    return {
        "status": status,
        "labels": {"alertname": name, "severity": "critical"},
        "annotations": {"summary": f"{name} is on", "runbook_url": "https://example.com/runbook", **annotations},
        "startsAt": began.isoformat().replace("+00:00", "Z"),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://localhost:9090/graph",
        "fingerprint": f"{hash(name):016x}"[-16:],
    }


def body(*alerts: dict[str, Any]) -> bytes:
    return json.dumps({"version": "4", "status": "firing", "receiver": "people", "alerts": alerts}).encode()


@pytest.fixture
def relay(inbox: Inbox, hook: Hook) -> Relay:
    return Relay(read_addresses(SecretStr(f"{inbox.url} {hook.url}")))


def test_group_is_one_message(relay: Relay, inbox: Inbox, hook: Hook):
    """The alerts of a group are one message at each address, in plain text."""
    answer = relay.accept(body(alert("RunOverdue"), alert("SymbolsStale", description="12 of 40 symbols.")))
    assert (answer.status, len(inbox.mails), len(hook.posts)) == (200, 1, 1)
    assert inbox.texts() == [
        """firing: RunOverdue, SymbolsStale
RunOverdue (critical): firing, since 2026-11-28 06:30 UTC
  RunOverdue is on
  https://example.com/runbook

SymbolsStale (critical): firing, since 2026-11-28 06:30 UTC
  SymbolsStale is on
  12 of 40 symbols.
  https://example.com/runbook
"""
    ]


def test_each_state_is_told_once(relay: Relay, inbox: Inbox):
    """What was told is not told again with its group; that it ended is, and that it began again."""
    again = BEGAN + timedelta(hours=1)
    for group in (
        [alert("A")],
        [alert("A")],
        [alert("A"), alert("B")],
        [alert("A", "resolved"), alert("B")],
        [alert("A", began=again), alert("B")],
    ):
        assert relay.accept(body(*group)).status == 200
    assert [mail["Subject"] for mail in inbox.mails] == ["firing: A", "firing: B", "resolved: A", "firing: A"]


def test_failure_makes_alertmanager_try_again(hook: Hook):
    """A mail server that is away is a 500; with the next try it is told, and the webhook is not told twice."""
    port = free_port()
    relay = Relay(read_addresses(SecretStr(f"{Inbox(port).url} {hook.url}")))
    assert relay.accept(body(alert("A"))).status == 500
    with running_inbox(port) as inbox:
        assert relay.accept(body(alert("A"))).status == 200
        assert (len(inbox.mails), len(hook.posts)) == (1, 1)


@pytest.mark.parametrize("text", [b"", b"[]", b'{"alerts": [{"status": "on fire"}]}', b"\xff", b'{"alerts": 1}'])
def test_other_requests_are_refused(relay: Relay, inbox: Inbox, text: bytes):
    """What Alertmanager would not send is a 400, and nobody is told."""
    assert relay.accept(text).status == 400
    assert inbox.mails == []


def test_many_alerts_are_bounded(relay: Relay, inbox: Inbox):
    """A storm of alerts is one short message."""
    assert relay.accept(body(*(alert(f"A{n}", description="y" * 5_000) for n in range(500)))).status == 200
    assert len(inbox.texts()[0]) < MAX_BODY + 300


def test_answers_hold_no_secret(relay: Relay, hook: Hook, caplog: pytest.LogCaptureFixture):
    """Neither the answer nor the log of a failure has a piece of an address."""
    caplog.set_level(logging.DEBUG)
    hook.status = 403
    seen = f"{relay.accept(body(alert('A')))} {caplog.text}"
    assert "403" in seen
    assert [secret for secret in ("token-in-the-path", "token-in-a-header") if secret in seen] == []


def test_without_addresses_nobody_is_told():
    """Where no address is set an alert is taken, and nothing is sent."""
    assert Relay([]).accept(body(alert("A"))).status == 200
