"""A reply that is a session behind the one that the run wants, against the sandbox."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.execution_time import task_runner

from common.errors import BatchIncomplete
from common.values import OutcomeStatus
from sandbox.running import RunningSandbox
from tests.support.batches import RUN
from tests.support.market import Market
from tests.support.wiring import wired
from workers import airflow_operator
from workers.airflow_operator import FetchAndStore
from workers.pipeline.report import report_run
from workers.pipeline.run import plan_run
from workers.wiring import Wiring

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

#: Wednesday, just after midnight UTC: Tuesday's session is complete, and the sandbox has Monday's.
NIGHT = datetime(2026, 10, 7, 0, 0, 5, tzinfo=UTC)


@pytest.fixture
def wiring(environment: dict[str, str]) -> Iterator[Wiring]:
    with wired(environment, ALPHA_VANTAGE_QUOTA="10000/s", SYMBOLS_PER_TASK="10") as opened:
        yield opened


def test_stale_reply_is_asked_for_again(wiring: Wiring, sandbox: RunningSandbox, market: Market):
    """What is a session behind is stored and says so, and a retry of the night brings the session that was wanted."""
    plan_run(wiring, RUN, ["IBM", "TSCO.LON", "A.UNKNOWN"], force=False, moment=NIGHT)
    end = wiring.batch(budget_s=60).run(RUN, 1)
    assert (end.counts, end.late, end.retryable) == ("1 stored, 2 stale", True, False)
    assert len(wiring.store.quotes()) == 3
    line = wiring.store.ledger.outcomes(RUN)[1]
    assert (line.symbol, line.status, line.reason) == ("IBM", OutcomeStatus.STALE, "stale")
    assert line.detail.endswith("on 2026-10-05; the session of 2026-10-06 is complete, but was not in the reply")
    assert market.query("SELECT session::text, wanted_session::text FROM fetch_outcomes WHERE symbol = 'IBM'") == [
        ("2026-10-05", "2026-10-06")
    ]
    sandbox.change("today", today="2026-10-06")
    assert wiring.batch(budget_s=60).run(RUN, 1).counts == "3 stored"
    assert len(sandbox.entries()) == 5
    assert market.violations() == []


def test_report_says_stale_and_is_green(wiring: Wiring):
    """A provider that is late all night makes no run red: the report counts and lists what is stale."""
    plan_run(wiring, RUN, ["IBM"], force=False, moment=NIGHT)
    wiring.batch(budget_s=60).run(RUN, 1)
    report = report_run(wiring, RUN)
    assert not report.failed_too_many
    assert report.summary == "1 symbols: 1 stale"
    assert next(report.lines()).split()[:3] == ["IBM", "stale", "stale"]


def test_next_night_asks_for_stale_symbols(wiring: Wiring, market: Market):
    """A stale symbol is no up-to-date one: the next run asks, until twelve hours have shown that nothing comes."""
    plan_run(wiring, RUN, ["IBM"], force=False, moment=NIGHT)
    wiring.batch(budget_s=60).run(RUN, 1)
    market.query("UPDATE fetch_outcomes SET planned_at = %s, finished_at = %s", NIGHT, NIGHT)
    assert plan_run(wiring, "later", ["IBM"], force=False, moment=NIGHT + timedelta(hours=1)).fetch == ("IBM",)
    morning = NIGHT + timedelta(hours=9)
    market.query("UPDATE fetch_outcomes SET planned_at = %s, finished_at = %s WHERE run_id = %s", morning, morning, RUN)
    (left,) = plan_run(wiring, "noon", ["IBM"], force=False, moment=NIGHT + timedelta(hours=12)).skip
    assert left.reason == "nothing_newer"


class Instance:
    """The task instance of a context, on its ``try_number``-th of three tries."""

    def __init__(self, try_number: int) -> None:
        self.try_number, self.max_tries = try_number, 2


class Supervisor:
    """Stands for Airflow's supervisor of the task."""

    def send(self, msg: object) -> None:
        """Take what it is told."""


def test_last_try_is_content_with_stale(wiring: Wiring, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """While Airflow has tries left a stale batch is tried again; after the last one its task is green."""
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(), raising=False)
    for name, value in (environment | {"ALPHA_VANTAGE_QUOTA": "10000/s"}).items():
        monkeypatch.setenv(name, value)
    airflow_operator.collaborators.close_idle()
    plan_run(wiring, RUN, ["IBM", "AAPL"], force=False, moment=NIGHT)
    task = FetchAndStore(task_id="fetch", batch_number=1)
    with pytest.raises(BatchIncomplete, match="2 stale"):
        task.execute({"run_id": RUN, "params": {}, "ti": Instance(2)})  # type: ignore[arg-type]  # all that it reads
    context = {"run_id": RUN, "params": {}, "ti": Instance(3)}
    task.execute(context)  # type: ignore[arg-type]  # all that it reads
    assert context["label"] == "batch 1: 2 stale"
