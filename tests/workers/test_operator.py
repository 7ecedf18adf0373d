"""The door to Airflow: each operator's step on real services, and how its errors are told to Airflow."""

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import SetRenderedMapIndex
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import TimeRestriction

from common.errors import BatchIncomplete, SymbolFailed
from common.settings import DagSettings
from common.values import OutcomeStatus, Symbol
from sandbox.running import RunningSandbox
from tests.support.wiring import wired
from workers import airflow_operator
from workers.airflow_dag import timetable
from workers.airflow_operator import CleanUp, CloseRun, FetchAndStore, PlanSymbols, ReportRun, ValidateEnvironment
from workers.airflow_trigger import PermitTrigger
from workers.pipeline.feeds import HISTORY
from workers.wiring import Wiring

RUN = "manual__1"


class Instance:
    """The task instance of a context: keeps what is pushed."""

    def __init__(self, try_number: int = 1, max_tries: int = 0) -> None:
        self.pushed: dict[str, object] = {}
        self.try_number = try_number
        self.max_tries = max_tries

    def xcom_push(self, key: str, value: object) -> None:
        self.pushed[key] = value

    def get_dr_count(self, dag_id: str, run_ids: list[str], states: list[str]) -> int:
        assert states == ["queued", "running"]
        return run_ids.count("at work")


def context(**parameters: object) -> dict[str, object]:
    return {"run_id": RUN, "params": parameters, "ti": Instance()}


class Supervisor:
    """Stands for Airflow's supervisor of the task: keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def send(self, msg: object) -> None:
        self.told.append(msg)


@pytest.fixture(autouse=True)
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    told = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", told, raising=False)
    return told


@pytest.fixture
def set_up(environment: dict[str, str], punctual: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    """The environment that an operator's process has; masks no secret, since no supervisor listens."""
    monkeypatch.setattr(airflow_operator, "mask_secret", lambda _: None)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with wired(environment) as wiring:
        yield wiring


def write_plan(set_up: Wiring, *symbols: str, batch_size: int = 1) -> None:
    set_up.store.ledger.plan_run(RUN, [Symbol(symbol) for symbol in symbols], batch_size=batch_size)


def fetch(number: int, given: dict[str, object] | None = None, **kwargs: object) -> object:
    """Run the fetching task of that number; return the label that it gives its map index."""
    given = given or context()
    FetchAndStore(task_id="fetch", batch_number=number).execute(given, **kwargs)
    return given["label"]


def test_run_from_check_to_clean_up(set_up: Wiring, sandbox: RunningSandbox, supervisor: Supervisor):
    """The steps one after the other store the symbol and report it."""
    ValidateEnvironment(task_id="check").execute(context())
    planning = context(symbols=["IBM"], force=True)
    assert PlanSymbols(task_id="plan").execute(planning) == [1]
    assert "1" in str(planning["ti"].pushed["summary"])
    assert fetch(1) == "IBM"
    assert fetch(1) == "IBM"  # a message that is delivered twice: it is stored already
    assert supervisor.told == []
    told = ReportRun(task_id="report").execute(context())
    assert (told["counts"], told["failed"]) == ({"stored": 1}, [])
    CloseRun(task_id="close").execute(context())
    assert set(CleanUp(task_id="clean").execute(context()).values()) == {0}
    assert len(sandbox.entries()) == 1


def test_a_history_ends_with_gaps(set_up: Wiring):
    """The last step of a history run, and of no other, looks at what its bars lack."""
    hole = Symbol("FAULT-HOLE")
    PlanSymbols(task_id="plan", feed=HISTORY).execute(context(symbols=[hole], force=True))
    FetchAndStore(task_id="fetch", feed=HISTORY, batch_number=1).execute(context())
    CleanUp(task_id="clean").execute(context())
    assert set_up.store.gaps.gaps([hole]) == {}
    CleanUp(task_id="clean", feed=HISTORY).execute(context())
    assert [gap.state for gap in set_up.store.gaps.gaps([hole])[hole]] == ["open"]


def test_what_cannot_heal_is_not_retried(set_up: Wiring):
    """An unknown symbol and a rejected key fail the task for good, in the error's own words."""
    write_plan(set_up, "NOSUCH1", "FAULT-KEY")
    for number, words in ((1, "no data"), (2, "ALPHA_VANTAGE_API_KEY")):
        with pytest.raises(AirflowFailException, match=words):
            fetch(number)


def test_what_can_heal_is_retried(set_up: Wiring):
    """A network fault leaves as an error that Airflow tries again, in its own words."""
    write_plan(set_up, "FAULT-RESET-BEFORE")
    with pytest.raises(BatchIncomplete, match="FAULT-RESET-BEFORE: failed, FAULT-RESET-BEFORE: no reply"):
        fetch(1)


def test_a_malformed_setting_fails_for_good(set_up: Wiring, monkeypatch: pytest.MonkeyPatch):
    """A setting that cannot be used fails the task without a retry, and is named."""
    monkeypatch.setenv("API_TIMEOUT", "soon")
    given = context()
    with pytest.raises(AirflowFailException, match="API_TIMEOUT='soon'"):
        fetch(1, given)
    assert given["label"] == "batch 1"


@pytest.mark.parametrize("batch_size", [1, 2])
def test_missing_line_names_the_remedy(set_up: Wiring, batch_size: int):
    """A task whose lines are gone (they were too old, say) is not done: it fails, and says how to get them back."""
    write_plan(set_up, "IBM", "AAPL", batch_size=batch_size)
    with pytest.raises(AirflowFailException, match="no batch 3 of the run manual__1: clear the run's task plan"):
        fetch(3)


def test_a_far_permit_defers_the_task(set_up: Wiring, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch):
    """The task holds no slot while it waits, shows its symbol, and comes back with the permit that it waits for."""
    monkeypatch.setenv("ALPHA_VANTAGE_QUOTA", "1/30s")
    monkeypatch.setenv("QUOTA_WAIT_IN_PLACE", "0")
    ValidateEnvironment(task_id="check").execute(context())
    write_plan(set_up, "IBM", "AAPL")
    fetch(1)
    with pytest.raises(TaskDeferred) as first:
        fetch(2)
    assert first.value.method_name == "execute"
    assert first.value.trigger.moment > datetime.now(UTC)
    assert supervisor.told == [SetRenderedMapIndex(rendered_map_index="AAPL")]
    with pytest.raises(TaskDeferred) as second:
        fetch(2, event=None, **first.value.kwargs)
    assert second.value.kwargs == first.value.kwargs


def test_postponed_symbol_is_skipped_in_ui(set_up: Wiring, monkeypatch: pytest.MonkeyPatch):
    """A symbol beyond the day's calls shows as skipped, not as failed."""
    monkeypatch.setenv("ALPHA_VANTAGE_QUOTA", "5/s,1/day")
    ValidateEnvironment(task_id="check").execute(context())
    write_plan(set_up, "IBM", "AAPL")
    fetch(1)
    with pytest.raises(AirflowSkipException, match="1/day"):
        fetch(2)


def test_a_batch_says_how_it_went(set_up: Wiring, monkeypatch: pytest.MonkeyPatch, supervisor: Supervisor):
    """A batch's label names the batch, and then what became of its symbols, also where it holds only one."""
    monkeypatch.setenv("SYMBOLS_PER_TASK", "2")
    assert PlanSymbols(task_id="plan").execute(context(symbols=["IBM", "AAPL", "MSFT"])) == [1, 2]
    assert fetch(1) == "batch 1: 2 stored"
    assert fetch(2) == "batch 2: 1 stored"
    assert [message.rendered_map_index for message in supervisor.told] == ["batch 1", "batch 2"]


@pytest.mark.parametrize(("symbol", "error"), [("NOSUCH1", AirflowFailException), ("FAULT-HTTP500", BatchIncomplete)])
def test_batch_retries_what_can_heal(set_up: Wiring, symbol: str, error: type[Exception]):
    """A batch with a failure fails, for good if no other try makes sense, and names the symbol."""
    write_plan(set_up, "IBM", symbol, batch_size=2)
    with pytest.raises(error, match=f"batch 1: 1 stored, 1 failed. {symbol} "):
        fetch(1)


def test_batch_whose_permit_is_far_defers(set_up: Wiring, monkeypatch: pytest.MonkeyPatch, supervisor: Supervisor):
    """The batch gives its slot away as a whole, with the permit that it waits for, and says how far it is."""
    monkeypatch.setenv("ALPHA_VANTAGE_QUOTA", "1/30s")
    monkeypatch.setenv("QUOTA_WAIT_IN_PLACE", "0")
    ValidateEnvironment(task_id="check").execute(context())
    write_plan(set_up, "IBM", "AAPL", "MSFT", batch_size=3)
    given = context()
    with pytest.raises(TaskDeferred) as deferred:
        fetch(1, given)
    how_far = "batch 1: 1 stored, 2 left"
    assert given["label"] == how_far
    assert [message.rendered_map_index for message in supervisor.told] == ["batch 1", how_far]
    assert deferred.value.kwargs["permit_id"]
    with pytest.raises(TaskDeferred):
        fetch(1, event="now", **deferred.value.kwargs)
    assert [message.rendered_map_index for message in supervisor.told] == ["batch 1", how_far, how_far]


def test_batch_beyond_day_is_skipped(set_up: Wiring, monkeypatch: pytest.MonkeyPatch):
    """A batch that was postponed as a whole shows as skipped."""
    monkeypatch.setenv("ALPHA_VANTAGE_QUOTA", "5/s,1/day")
    write_plan(set_up, "AAPL", "MSFT", "IBM", batch_size=2)
    ValidateEnvironment(task_id="check").execute(context())
    assert fetch(2) == "batch 2: 1 stored"
    with pytest.raises(AirflowSkipException, match="batch 1: 2 postponed"):
        fetch(1)


def test_the_trigger_wakes_at_its_moment():
    """The triggerer builds the trigger from its serialised form, and it fires once its moment has come."""
    moment = datetime.now(UTC) + timedelta(seconds=0.2)
    path, values = PermitTrigger(moment).serialize()
    assert path == "workers.airflow_trigger.PermitTrigger"

    async def fire() -> list[object]:
        return [event.payload async for event in PermitTrigger(**values).run()]

    assert asyncio.run(fire()) == [moment.isoformat()]
    assert datetime.now(UTC) >= moment


def test_an_older_deferral_finds_its_trigger():
    """Airflow's database keeps the trigger's path: one that was stored before the module was moved leads to it."""
    assert import_module("workers.airflow_operator").PermitTrigger is PermitTrigger


def test_the_report_fails_the_run(set_up: Wiring, caplog: pytest.LogCaptureFixture):
    """With a failed symbol the report is red, names it, and logs the table."""
    PlanSymbols(task_id="plan").execute(context(symbols=["IBM", "NOSUCH1"], force=True))
    fetch(1)
    with pytest.raises(AirflowFailException):
        fetch(2)
    with caplog.at_level(logging.INFO), pytest.raises(AirflowFailException, match=r"NOSUCH1 \(unknown_symbol\)"):
        ReportRun(task_id="report").execute(context())
    outcomes = {outcome.symbol: outcome.status for outcome in set_up.store.ledger.outcomes(RUN)}
    assert outcomes == {Symbol("IBM"): OutcomeStatus.STORED, Symbol("NOSUCH1"): OutcomeStatus.FAILED}


def cleared(**parameters: object) -> dict[str, object]:
    """The context of a task without retries that ran once and was then cleared."""
    return {**context(**parameters), "ti": Instance(try_number=2, max_tries=1)}


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("force", [True, False])
def test_a_cleared_task_does_it_again(
    set_up: Wiring, sandbox: RunningSandbox, capsys: pytest.CaptureFixture[str], force: bool, batch_size: int
):
    """With force a cleared task fetches what is stored; without, it is not asked for, and the log says why."""
    write_plan(set_up, "IBM", "AAPL", "MSFT", batch_size=batch_size)
    fetch(1)
    calls = len(sandbox.entries())
    fetch(1, cleared(force=force))
    assert len(sandbox.entries()) - calls == (batch_size if force else 0)
    assert ("Only a run with force fetches it again" in capsys.readouterr().out) is not force
    assert {outcome.status for outcome in set_up.store.ledger.outcomes(RUN, 1)} == {OutcomeStatus.STORED}


@pytest.mark.parametrize(("try_number", "max_tries"), [(1, 3), (2, 3), (4, 3), (3, 4), (6, 7)])
def test_a_retry_fetches_nothing_stored(set_up: Wiring, sandbox: RunningSandbox, try_number: int, max_tries: int):
    """First tries and retries, also those after a clear, leave alone what is stored, whatever force says."""
    write_plan(set_up, "IBM")
    fetch(1)
    given = {**context(force=True), "ti": Instance(try_number, max_tries)}
    FetchAndStore(task_id="fetch", batch_number=1, retries=3).execute(given)
    assert len(sandbox.entries()) == 1


def test_cleared_failure_is_asked_again(set_up: Wiring, sandbox: RunningSandbox):
    """What failed for good, or was halted by another symbol, is tried again once it is cleared, force or not."""
    write_plan(set_up, "FAULT-KEY", "IBM")
    for number in (1, 2):
        with pytest.raises(AirflowFailException):
            fetch(number)
    assert fetch(2, cleared()) == "IBM"
    assert set_up.store.ledger.outcomes(RUN, 2)[0].status is OutcomeStatus.STORED


@pytest.mark.parametrize("force", [True, False])
def test_a_cleared_plan_plans_again(set_up: Wiring, capsys: pytest.CaptureFixture[str], force: bool):
    """With force the plan of a cleared run holds what is stored, so that each task fetches it; without, the rest."""
    given = {"symbols": ["IBM", "AAPL"], "force": force}
    assert PlanSymbols(task_id="plan").execute(context(**given)) == [1, 2]
    fetch(1)
    numbers = PlanSymbols(task_id="plan").execute(cleared(**given))
    assert numbers == ([1, 2] if force else [1])
    assert ("Only a run with force" in capsys.readouterr().out) is not force
    open_symbols = [line.symbol for line in set_up.store.ledger.outcomes(RUN) if line.status is OutcomeStatus.PLANNED]
    assert len(open_symbols) == len(numbers)


@pytest.mark.parametrize(
    ("run_type", "days", "waited", "refused"),
    [
        ("backfill", 30, 0, True),
        ("backfill", 0, 0, False),
        ("manual", 30, 0, True),
        ("manual", 30, 30, True),
        ("manual", 0, 30, False),
        ("manual", None, 0, False),
        ("scheduled", 30, 0, False),
    ],
)
def test_a_day_gone_by_is_refused(set_up: Wiring, run_type: str, days: int | None, waited: int, refused: bool):
    """A backfill or logical date of a past session fails with the sentence; a run that waited, or is late, does not."""
    triggered = datetime.now(UTC) - timedelta(days=waited)
    logical_date = None if days is None else triggered - timedelta(days=days)
    run = SimpleNamespace(run_type=run_type, logical_date=logical_date, run_after=triggered)
    given = {**context(), "dag_run": run}
    if refused:
        with pytest.raises(AirflowFailException, match="a quote is always the latest one"):
            ValidateEnvironment(task_id="check").execute(given)
    else:
        ValidateEnvironment(task_id="check").execute(given)


def test_whichever_end_is_marked_other_judges(set_up: Wiring):
    """Report and close each close what is open and fail for it, so that it does not matter which of them ran."""
    for task in (ReportRun(task_id="report"), CloseRun(task_id="close")):
        set_up.store.ledger.plan_run(task.task_id, [Symbol("IBM")])
        with pytest.raises(AirflowFailException, match=r"IBM \(not_attempted\)"):
            task.execute({**context(), "run_id": task.task_id})


def test_plan_closes_what_ended_runs_left(set_up: Wiring):
    """Airflow says which of the other runs go on; what the others left open is closed."""
    for run_id in ("killed", "at work"):
        set_up.store.ledger.plan_run(run_id, [Symbol("IBM")])
    PlanSymbols(task_id="plan").execute(context(symbols=["IBM"], force=True))
    assert set_up.store.ledger.open_runs(RUN) == ["at work"]


def test_secrets_are_masked_before_logging(set_up: Wiring, monkeypatch: pytest.MonkeyPatch):
    """Airflow is told every secret of the settings."""
    masked: list[str] = []
    monkeypatch.setattr(airflow_operator, "mask_secret", masked.append)
    monkeypatch.setenv("REDIS_PASSWORD", "MARKEDPASSWORD1")
    with pytest.raises(AirflowSkipException), airflow_operator.wired(context()):
        raise AirflowSkipException
    assert "MARKEDPASSWORD1" in masked


@pytest.mark.parametrize(
    ("text", "kind"), [("0 0 * * *", "CronTriggerTimetable"), ("6h", "DeltaTriggerTimetable"), ("none", "NoneType")]
)
def test_each_kind_of_schedule(text: str, kind: str):
    """A cron line, an interval and none give the timetable that they mean."""
    assert type(timetable(DagSettings.from_environment({"STOCK_SCHEDULE": text}))).__name__ == kind


def test_fresh_installation_waits_for_next_time():
    """As the scheduler reads it, a cron line whose last time is a moment ago has its first run at the next one."""
    declared = timetable(DagSettings.from_environment({"STOCK_SCHEDULE": "* * * * *"}))
    understood = decode_timetable(encode_timetable(declared))
    first = understood.next_dagrun_info(
        last_automated_data_interval=None, restriction=TimeRestriction(None, None, catchup=False)
    )
    assert first.run_after > datetime.now(UTC)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SymbolFailed("IBM: the reply has hunter2hunter2\nin it"), r"IBM: the reply has ***\x0ain it"),
        (AirflowFailException("y" * 9_000), "y" * 1_999 + "…"),
        (RuntimeError("whatever stands there"), "RuntimeError: the log of the task says more."),
    ],
)
def test_words_left_are_harmless(set_up: Wiring, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str):
    """Only sentences of ours are left for the run's message: short, on one line, and without a secret."""
    monkeypatch.setenv("MARKET_DB_PASSWORD", "hunter2hunter2")
    given = context()
    with pytest.raises(type(error)), airflow_operator.told(given):
        raise error
    assert given["ti"].pushed == {airflow_operator.PROBLEM: words}


def test_lost_words_hide_no_error(set_up: Wiring, caplog: pytest.LogCaptureFixture):
    """Where the api-server cannot be told what ended the step, the step's own error stays, and the log has both."""

    class Lost(Instance):
        def xcom_push(self, key: str, value: object) -> None:
            raise ConnectionError("the api-server is away")

    with pytest.raises(SymbolFailed, match="no data"), airflow_operator.told({**context(), "ti": Lost()}):
        raise SymbolFailed("IBM: no data")
    assert "the api-server is away" in caplog.text
