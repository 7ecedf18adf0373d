"""The task and the command that send messages, on a real mail server."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from common.command_line import ExitCode
from common.errors import StoreUnavailable
from common.values import Outcome, OutcomeStatus, Symbol
from local.ports import free_port
from tests.support.inboxes import PASSWORD, Inbox, running_inbox
from tests.support.wiring import wired
from workers import airflow_notify, airflow_operator
from workers.__main__ import main
from workers.airflow_notify import NotifyRun
from workers.airflow_operator import ValidateEnvironment
from workers.wiring import Wiring

RUN = "manual__1"
DUE = datetime(2026, 11, 28, tzinfo=UTC)


class Instance:
    """The task instance of a context: what is pushed can be pulled."""

    try_number = 1

    def __init__(self) -> None:
        self.pushed: dict[str, object] = {}

    def xcom_push(self, key: str, value: object) -> None:
        self.pushed[key] = value

    def xcom_pull(self, task_ids: list[str], key: str) -> list[object]:
        return [self.pushed.get(key) for _ in task_ids]


def context(began: timedelta = timedelta(), **run: object) -> dict[str, Any]:
    facts = {"run_type": "scheduled", "run_after": DUE, "start_date": DUE + began, "clear_number": 0}
    return {
        "run_id": RUN,
        "params": {},
        "ti": Instance(),
        "dag_run": SimpleNamespace(**{**facts, "logical_date": DUE, **run}),
    }


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with running_inbox() as running:
        yield running


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Airflow is told to mask in its logs."""
    told: list[str] = []
    for module in (airflow_operator, airflow_notify):
        monkeypatch.setattr(module, "mask_secret", told.append)
    return told


@pytest.fixture
def set_up(
    environment: dict[str, str], inbox: Inbox, masked: list[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Wiring]:
    """The environment that the task's process has."""
    links = {"AIRFLOW__API__BASE_URL": "http://localhost:8080"}
    for name, value in {**environment, **links, "ALERT_URLS": inbox.url}.items():
        monkeypatch.setenv(name, value)
    with wired(environment) as wiring:
        yield wiring


def fail(wiring: Wiring) -> None:
    """Let the run have failed."""
    wiring.store.ledger.plan_run(RUN, [Symbol("IBM")])
    wiring.store.ledger.record_outcomes([Outcome(RUN, Symbol("IBM"), OutcomeStatus.FAILED, "network", "no reply")])


def notify(given: dict[str, Any] | None = None) -> None:
    NotifyRun(task_id="notify").execute(given or context())  # type: ignore[arg-type]


def test_task_tells_a_failure_once(set_up: Wiring, inbox: Inbox, masked: list[str]):
    """The task of a red run sends one mail, with links, however often it is cleared; Airflow masks the password."""
    fail(set_up)
    notify()
    notify()
    [text] = inbox.texts()
    assert "failed: 1 of 1 symbol" in text
    assert f"http://localhost:8080/dags/adhoc_airflow/runs/{RUN}\n" in text
    assert PASSWORD in masked


def test_task_is_red_until_sent(set_up: Wiring, inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    """A mail server that is away makes the task red; the next run's task sends what waits."""
    fail(set_up)
    port = free_port()
    monkeypatch.setenv("ALERT_URLS", Inbox(port).url)
    with pytest.raises(AirflowFailException, match="The next run tries again"):
        notify()
    with running_inbox(port) as later:
        notify({**context(), "run_id": "manual__2"})
        assert "failed: 1 of 1 symbol" in later.texts()[0]


def test_task_without_addresses_does_nothing(set_up: Wiring, market: Any, monkeypatch: pytest.MonkeyPatch):
    """Where nobody is to be told nothing is remembered either."""
    fail(set_up)
    monkeypatch.setenv("ALERT_URLS", "")
    notify()
    assert market.query("SELECT * FROM notifications") == []


def test_wrong_address_fails_the_task(set_up: Wiring, monkeypatch: pytest.MonkeyPatch):
    """An address that cannot be used is a red task with one sentence, without the address."""
    monkeypatch.setenv("ALERT_URLS", "slack://hunter2hunter2")
    with pytest.raises(AirflowFailException, match=r"no message can be sent to slack://\*\*\*") as caught:
        notify()
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(("began", "cleared", "told"), [(45, 0, True), (45, 1, False), (10, 0, False)])
def test_late_run_is_told(set_up: Wiring, inbox: Inbox, began: int, cleared: int, told: bool):
    """A scheduled run that began late is told, unless it is a person that began it again."""
    set_up.store.ledger.plan_run(RUN, [Symbol("IBM")])
    set_up.store.ledger.record_outcomes([Outcome(RUN, Symbol("IBM"), OutcomeStatus.STORED, "inserted")])
    notify(context(timedelta(minutes=began), clear_number=cleared))
    assert [("began 45 minutes late" in text) for text in inbox.texts()] == [True] * told


def test_check_that_failed_is_told(set_up: Wiring, inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    """Where Redis is away nothing is planned, and the mail has the words of the check."""
    monkeypatch.setenv("LIMITER_REDIS_URL", f"redis://127.0.0.1:{free_port()}/1")
    given = context(run_type="manual", logical_date=None)
    with pytest.raises(Exception, match="Redis"):
        ValidateEnvironment(task_id="validate_environment").execute(given)  # type: ignore[arg-type]
    notify(given)
    assert "before any symbol was fetched\nNo call is made: the limiter's Redis does not answer" in inbox.texts()[0]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("MARKET_DATABASE_URL=postgresql://market_app:hunter2@127.0.0.1:9/market", "PostgreSQL"),
        ("STOCK_SYMBOLS=???", "'???' is not a stock symbol"),
    ],
)
def test_failure_without_database_is_told(
    set_up: Wiring, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, setting: str, words: str
):
    """Where the database is away, or a setting is wrong, the mail goes out all the same."""
    monkeypatch.setenv(*setting.split("=", 1))
    notify()
    assert words in inbox.texts()[0]
    assert "hunter2" not in inbox.texts()[0]


def test_command_sends_a_test(set_up: Wiring, inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    """The command says for each address whether its test message went, as JSON too, and shows no password."""
    away = Inbox(free_port())
    monkeypatch.setenv("ALERT_URLS", f"{inbox.url} {away.url}")
    lines, document = io.StringIO(), io.StringIO()
    assert main(["notify", "--test"], lines) == ExitCode.FAILED
    assert [line.split()[0] for line in lines.getvalue().splitlines()] == ["sent", "FAILED"]
    assert main(["notify", "--test", "--json"], document) == ExitCode.FAILED
    assert [bool(each["problem"]) for each in json.loads(document.getvalue())["deliveries"]] == [False, True]
    assert PASSWORD not in lines.getvalue() + document.getvalue()
    assert len(inbox.mails) == 2


def test_command_sends_what_waits(set_up: Wiring, inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    """Without --test the command sends what a run could not."""
    fail(set_up)
    inbox.refuses = True
    with pytest.raises(AirflowFailException):
        notify()
    inbox.refuses = False
    assert main(["notify"], io.StringIO()) == ExitCode.DONE
    assert "failed: 1 of 1 symbol" in inbox.texts()[0]


@pytest.mark.parametrize("urls", ["", "slack://hunter2hunter2"])
def test_command_without_usable_address(set_up: Wiring, monkeypatch: pytest.MonkeyPatch, urls: str):
    """No address, or a wrong one, is for a person to mend, said in one sentence without it."""
    monkeypatch.setenv("ALERT_URLS", urls)
    document = io.StringIO()
    assert main(["notify", "--test", "--json"], document) == ExitCode.ACT_FIRST
    assert "ALERT_URLS" in json.loads(document.getvalue())["detail"]
    assert "hunter2" not in document.getvalue()


def test_outbox_needs_a_database(environment: dict[str, str], inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    """Without the database the command fails, and says why."""
    for name, value in {
        **environment,
        "ALERT_URLS": inbox.url,
        "MARKET_DATABASE_URL": "postgresql://a@127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    document = io.StringIO()
    assert main(["notify", "--json"], document) == ExitCode.FAILED
    assert json.loads(document.getvalue())["reason"] == StoreUnavailable.reason
