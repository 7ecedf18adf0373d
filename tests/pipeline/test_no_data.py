"""What an answer without data means for a symbol that has rows, against the sandbox."""

from collections.abc import Iterator

import pytest

from common.command_line import ExitCode
from common.values import OutcomeStatus, Symbol
from sandbox.running import RunningSandbox
from tests.support.batches import RUN, by_symbol
from tests.support.market import Market
from tests.support.rows import quote, save_quotes
from tests.support.wiring import wired
from workers.fetch_and_store import main
from workers.pipeline.report import report_run
from workers.pipeline.run import plan_run
from workers.wiring import Wiring

EMPTY = ["empty-object", "unknown-symbol", "invalid-call"]
DAY = (
    "UPDATE fetch_outcomes SET finished_at = finished_at - interval '1 day', planned_at = planned_at - interval '1 day'"
)


@pytest.fixture
def wiring(environment: dict[str, str]) -> Iterator[Wiring]:
    with wired(environment, ALPHA_VANTAGE_QUOTA="10000/s", BATCH_CONCURRENCY="2") as opened:
        yield opened


def known(wiring: Wiring, *names: str) -> None:
    """Give each of the symbols a row."""
    save_quotes(wiring.store, [quote(name) for name in names])


def night(wiring: Wiring, run_id: str, *names: str, size: int | None = None) -> dict[str, str]:
    """Run all batches of a run, each once; return the reasons."""
    wiring.store.ledger.plan_run(run_id, [Symbol(name) for name in names], batch_size=size or len(names))
    for number in range(1, len(names) // (size or len(names)) + 1):
        wiring.batch(budget_s=60).run(run_id, number)
    return {str(line.symbol): line.reason for line in wiring.store.ledger.outcomes(run_id)}


@pytest.mark.parametrize("fault", EMPTY)
def test_one_answer_silences_no_symbol(wiring: Wiring, sandbox: RunningSandbox, market: Market, fault: str):
    """What has rows is asked again in the next run; what never had data is unknown, and left alone for a week."""
    known(wiring, "IBM")
    sandbox.change("faults", faults=f"{fault}:1")
    assert night(wiring, RUN, "IBM", "NEW") == {"IBM": "no_data", "NEW": "unknown_symbol"}
    assert "up to 2026-10-05" in report_run(wiring, RUN).summary
    plan = plan_run(wiring, "next", ["IBM", "NEW"], force=False)
    assert plan.fetch == ("IBM",)
    assert [(left.symbol, left.reason) for left in plan.failed] == [("NEW", "unknown_symbol")]
    assert market.violations() == []


def test_command_line_tells_of_rows(
    wiring: Wiring, environment: dict[str, str], sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, capsys
):
    """``--symbol`` does not call a symbol unknown that has rows, and fails all the same."""
    for name, value in (environment | {"ALPHA_VANTAGE_QUOTA": "10000/s"}).items():
        monkeypatch.setenv(name, value)
    known(wiring, "IBM")
    sandbox.change("faults", faults="empty-object:1")
    assert main(["--symbol", "IBM"]) == ExitCode.FAILED
    error = capsys.readouterr().err
    assert error.startswith("IBM is failed")
    assert "The provider gave no data, though its rows reach up to 2026-10-05" in error


def test_answers_on_several_days_are_believed(wiring: Wiring, sandbox: RunningSandbox, market: Market):
    """Five days without data make a symbol unknown; more answers on one day do not, and data begin the count again."""
    known(wiring, "IBM")
    seen = []
    for number in range(1, 7):
        sandbox.change("faults", faults="empty-object:1")
        seen.append(night(wiring, f"{number}", "IBM")["IBM"])
        seen.append(night(wiring, f"{number}-again", "IBM")["IBM"])
        market.query(DAY)
    assert seen == ["no_data"] * 8 + ["unknown_symbol"] * 4
    sandbox.change("faults", faults="")
    assert night(wiring, "data", "IBM") == {"IBM": "updated"}
    market.query(DAY)
    sandbox.change("faults", faults="empty-object:1")
    assert night(wiring, "after", "IBM") == {"IBM": "no_data"}


@pytest.mark.parametrize("size", [6, 1])
def test_many_answers_at_once_are_outage(wiring: Wiring, sandbox: RunningSandbox, market: Market, size: int):
    """Where the provider has nothing for many symbols that it had, nobody is unknown, and the report says it once."""
    names = ["A", "B", "C", "D", "E", "NEW"]
    known(wiring, *names[:5])
    sandbox.change("faults", faults="empty-object:1")
    assert night(wiring, RUN, *names, size=size) == dict.fromkeys(names, "provider_outage")
    summary = report_run(wiring, RUN).summary
    assert summary.count("outage") == 2
    assert "6 symbols (provider_outage): " in summary
    assert plan_run(wiring, "next", names, force=False).failed == ()
    assert market.violations() == []


def test_an_outage_heals_the_same_night(wiring: Wiring, sandbox: RunningSandbox):
    """A retry asks again for what an outage hit, and all is stored once it is over."""
    names = ["A", "B", "C", "NEW"]
    known(wiring, *names[:3])
    sandbox.change("faults", faults="unknown-symbol:1")
    wiring.store.ledger.plan_run(RUN, [Symbol(name) for name in names], batch_size=4)
    assert wiring.batch(budget_s=60).run(RUN, 1).retryable
    sandbox.change("faults", faults="")
    assert by_symbol(wiring.batch(budget_s=60).run(RUN, 1)) == {
        "A": "updated",
        "B": "updated",
        "C": "updated",
        "NEW": "inserted",
    }


def test_few_among_many_are_no_outage(wiring: Wiring, sandbox: RunningSandbox):
    """Three symbols without data among twenty that have them are three symbols, and heal by no retry."""
    empty = [f"FAULT{number}-EMPTY-OBJECT" for number in (7, 8, 9)]
    names = [*empty, *(f"S{number}" for number in range(17))]
    known(wiring, *names)
    reasons = night(wiring, RUN, *names[::-1])
    assert [name for name, reason in reasons.items() if reason == "no_data"] == empty
    assert [line.status for line in wiring.store.ledger.outcomes(RUN)].count(OutcomeStatus.FAILED) == 3
