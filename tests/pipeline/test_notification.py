"""The message about a run: when there is one, what it says, and that it is told once."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from common.errors import ApiKeyRejected, DailyQuotaUsedUp, NetworkFailed, UnknownSymbol
from common.notify import AlertAddress, Kind, read_addresses
from common.notify.message import MAX_BODY
from common.redaction import Redactor
from common.values import Outcome, OutcomeStatus, Symbol
from tests.support.inboxes import Inbox, running_inbox
from workers.pipeline.notification import RunEnd, kind_of, message, notify_of_run, notify_without_ledger
from workers.pipeline.quality import QualityReport
from workers.pipeline.report import Report
from workers.wiring import Wiring

RUN = "scheduled__2026-11-28T00:00:00+00:00"
LINKS = {"Look": f"http://localhost:8080/dags/stock_data_pipeline/runs/{RUN}"}
NOW = datetime(2026, 11, 28, tzinfo=UTC)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with running_inbox() as running:
        yield running


@pytest.fixture
def addresses(inbox: Inbox) -> tuple[AlertAddress, ...]:
    return read_addresses(SecretStr(inbox.url))


def outcome(symbol: str, status: OutcomeStatus, reason: str = "", detail: str = "", run: str = RUN) -> Outcome:
    return Outcome(run, Symbol(symbol), status, reason, detail)


def ended(*outcomes: Outcome, name: str = RUN, **more: object) -> RunEnd:
    return RunEnd(name, "stock_data_pipeline", name, Report(outcomes, 0), links=LINKS, **more)  # type: ignore[arg-type]


def record(wiring: Wiring, run: str, *outcomes: Outcome) -> RunEnd:
    """Let the ledger know these outcomes of a run; return the run as it ends."""
    wiring.store.ledger.plan_run(run, [each.symbol for each in outcomes], dataset="quotes")
    wiring.store.ledger.record_outcomes(outcomes)
    return RunEnd(run, "stock_data_pipeline", run, links=LINKS)


STORED = outcome("IBM", OutcomeStatus.STORED, "inserted")
FAILED = outcome("AAPL", OutcomeStatus.FAILED, NetworkFailed.reason, "AAPL: connection reset by peer")
POSTPONED = outcome("MSFT", OutcomeStatus.POSTPONED, DailyQuotaUsedUp.reason, "25/day is used up")
STALE = outcome("GOOGL", OutcomeStatus.STALE, "unchanged", "of 2026-11-25, and 2026-11-27 was expected")


@pytest.mark.parametrize(
    ("outcomes", "told", "late", "kind"),
    [
        ([STORED], {}, 0, None),
        ([STORED, FAILED], {}, 0, Kind.FAILED),
        ([STORED, FAILED], {Kind.FAILED: NOW}, 0, Kind.FAILED),
        ([], {}, 0, Kind.FAILED),
        ([STORED], {Kind.FAILED: NOW}, 0, Kind.RECOVERED),
        ([STORED], {Kind.FAILED: NOW, Kind.RECOVERED: NOW + timedelta(1)}, 0, None),
        ([STORED], {Kind.FAILED: NOW, Kind.RECOVERED: NOW - timedelta(1)}, 0, Kind.RECOVERED),
        ([STORED], {}, 31, Kind.LATE),
        ([STORED], {}, 29, None),
        ([STORED, POSTPONED], {}, 0, Kind.QUOTA),
        ([STORED, POSTPONED], {Kind.QUOTA: NOW - timedelta(days=6)}, 0, None),
        ([STORED, POSTPONED], {Kind.QUOTA: NOW - timedelta(days=8)}, 0, Kind.QUOTA),
        ([STORED, STALE], {}, 0, Kind.STALE),
        ([STORED, STALE, POSTPONED], {Kind.QUOTA: NOW}, 0, Kind.STALE),
        ([STALE, *[STORED] * 20], {}, 0, None),
    ],
)
def test_what_is_told_of_a_run(outcomes: Sequence[Outcome], told: dict[Kind, datetime], late: int, kind: Kind | None):
    """Each red run is told, the first green one after it, a late one, and once a week what lasts."""
    run = ended(*outcomes, late_by=timedelta(minutes=late))
    assert kind_of(run, told, NOW) is kind


def test_mail_of_a_failed_run(wiring: Wiring, addresses: tuple[AlertAddress, ...], inbox: Inbox):
    """The mail says in plain text how many failed, which, why, and where to look."""
    unknown = [outcome(f"X{n}", OutcomeStatus.FAILED, UnknownSymbol.reason, f"X{n}: no data") for n in range(12)]
    run = record(wiring, RUN, STORED, FAILED, *unknown)
    assert [delivery.problem for delivery in notify_of_run(wiring, addresses, run)] == [""]
    assert inbox.texts() == [
        f"""(sandbox) stock_data_pipeline failed: 13 of 14 symbols
14 symbols: 13 failed, 1 stored

failed, unknown_symbol (12): X0, X1, X10, X11, X2, X3, X4, X5, X6, X7 and 2 more
  X0: no data

failed, network (1): AAPL
  AAPL: connection reset by peer

Run: {RUN}
Look: http://localhost:8080/dags/stock_data_pipeline/runs/{RUN}
The prices are invented by the sandbox: ALPHA_VANTAGE_API_KEY is not set.
"""
    ]


def test_cleared_task_tells_nothing_twice(wiring: Wiring, addresses: tuple[AlertAddress, ...], inbox: Inbox):
    """The task that was cleared sends nothing again; once the run was mended, it tells that once."""
    run = record(wiring, RUN, STORED, FAILED)
    for _ in range(2):
        notify_of_run(wiring, addresses, run)
    assert len(inbox.mails) == 1
    wiring.store.ledger.record_outcomes([outcome("AAPL", OutcomeStatus.STORED, "inserted")])
    for _ in range(2):
        notify_of_run(wiring, addresses, run)
    assert [mail["Subject"].split("pipeline ")[1] for mail in inbox.mails] == [
        "failed: 1 of 2 symbols",
        "is well again",
    ]


def test_run_that_fails_again_is_told(wiring: Wiring, addresses: tuple[AlertAddress, ...], inbox: Inbox):
    """A run that was mended, cleared and failed once more is told each time, and its task cleared tells no more."""
    for symbol in ("AAPL", "MSFT"):
        for status in (OutcomeStatus.FAILED, OutcomeStatus.STORED):
            run = record(wiring, RUN, outcome(symbol, status))
            for _ in range(2):
                notify_of_run(wiring, addresses, run)
    assert [mail["Subject"].split("pipeline ")[1] for mail in inbox.mails] == [
        "failed: 1 of 1 symbol",
        "is well again",
        "failed: 1 of 2 symbols",
        "is well again",
    ]


def test_each_failed_run_is_told(wiring: Wiring, addresses: tuple[AlertAddress, ...], inbox: Inbox):
    """Two red runs are two messages, the green one after them a third, and the next green one none."""
    for number, status in enumerate([OutcomeStatus.FAILED, OutcomeStatus.FAILED, *[OutcomeStatus.STORED] * 2]):
        name = f"scheduled__{number}"
        notify_of_run(wiring, addresses, record(wiring, name, outcome("IBM", status, run=name)))
    assert [mail["Subject"].split("pipeline ")[1] for mail in inbox.mails] == [
        *["failed: 1 of 1 symbol"] * 2,
        "is well again",
    ]


def test_rejected_key_is_named():
    """That the key was rejected stands in the title, whatever else failed."""
    key = outcome("IBM", OutcomeStatus.FAILED, ApiKeyRejected.reason, "the provider does not accept the key")
    told = message(ended(FAILED, key), Kind.FAILED, Redactor())
    assert told.title == "stock_data_pipeline failed: the API key was rejected"


@pytest.mark.parametrize(("count", "words"), [(1, "1 error"), (2, "2 errors")])
def test_a_run_red_by_errors(count: int, words: str):
    """Where errors of the stored values alone make a run red, the message says so and shows the first ones."""
    quality = QualityReport({"error": count, "warning": 0}, errors_fail=True)
    told = message(RunEnd(RUN, "stock_data_pipeline", RUN, Report([STORED], 0, quality)), Kind.FAILED, Redactor())
    assert told.title == f"stock_data_pipeline failed: {words} in what is stored"
    assert "python -m workers quality list" in told.body


def test_run_without_plan_says_why():
    """Where nothing was planned, the message has the words of the step that failed, or says where they are."""
    told = message(ended(problem="Redis cannot be reached"), Kind.FAILED, Redactor())
    assert told.title == "stock_data_pipeline failed before any symbol was fetched"
    assert told.body.splitlines()[0] == "Redis cannot be reached"
    assert "log of validate_environment" in message(ended(), Kind.FAILED, Redactor()).body


def test_away_ledger_is_told_too(addresses: tuple[AlertAddress, ...], inbox: Inbox):
    """Where the database is away the message goes out all the same, and says so."""
    run = RunEnd(RUN, "stock_data_pipeline", RUN, problem="PostgreSQL at db:5432 cannot be reached")
    [delivery] = notify_without_ledger(addresses, run)
    assert delivery.problem == ""
    assert "PostgreSQL at db:5432 cannot be reached" in inbox.texts()[0]


def test_texts_are_harmless_and_bounded():
    """Markup, mentions, control characters, secrets and long texts of a provider do no harm in a message."""
    text = "<b>x</b> <!channel> @everyone \x1b[2J line\nbreak hunter2hunter2 " + "y" * 9_000
    many = [outcome(f"S{n}", OutcomeStatus.FAILED, f"reason{n % 9}", text) for n in range(500)]
    told = message(ended(*many), Kind.FAILED, Redactor(["hunter2hunter2"]))
    assert len(told.body) <= MAX_BODY
    assert [bad for bad in ("<", ">", "@everyone", "\x1b", "hunter2") if bad in told.body] == []
    assert "\\x0abreak ***" in told.body
