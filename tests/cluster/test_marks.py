"""A person marks and clears in the UI: no run turns green for it, every symbol ends with an outcome, work is redone."""

from collections import Counter

import pytest

from common.values import OutcomeStatus, Symbol
from local.temporary import wait_until
from tests.cluster.conftest import Running
from tests.cluster.test_pipeline import task_log
from workers.dag_health import DAG_ID
from workers.wiring import Wiring

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

LEFT_OPEN = {"not_attempted", "interrupted"}


def held_back(running: Running, symbols: list[str], seconds: float) -> str:
    """Trigger a run whose tasks wait for the quota; return its id once all of them do."""
    with Wiring(running.cluster.settings) as wiring:
        wiring.permits.prepare()
        wiring.limiter.hold_back(seconds, "a test")
    run_id = running.cluster.api.trigger({"symbols": symbols, "force": True})
    wait_until(
        lambda: [task["state"] for task in running.fetching(run_id)] == ["deferred"] * len(symbols), "all wait", 60
    )
    return run_id


def test_a_run_marked_failed_is_red(running: Running):
    """A run that a person marks failed ends red, and each of its symbols has an outcome that says so."""
    run_id = held_back(running, ["MARKED1", "MARKED2"], 45)
    running.mark(run_id, "failed")
    assert running.wait(run_id) == "failed"
    outcomes = running.outcomes(run_id).values()
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.FAILED}
    assert {outcome.reason for outcome in outcomes} <= LEFT_OPEN


def test_marked_tasks_turn_no_run_green(running: Running):
    """With fetching tasks marked failed and success, and the report success, the run is red and no symbol is open."""
    run_id = held_back(running, ["TASK1", "TASK2", "TASK3"], 45)
    running.mark(run_id, "failed", "fetch_and_store", 0)
    running.mark(run_id, "success", "fetch_and_store", 1)
    running.mark(run_id, "success", "report")
    assert running.wait(run_id) == "failed"
    reasons = {symbol: outcome.reason for symbol, outcome in running.outcomes(run_id).items()}
    assert {reasons[Symbol("TASK1")], reasons[Symbol("TASK2")]} <= LEFT_OPEN
    assert reasons[Symbol("TASK3")] == "inserted"


def test_a_cleared_run_is_done_again(running: Running):
    """With force a cleared run, and then a cleared task of it, fetch again; without force neither makes a call."""
    symbols = ["AGAIN1", "AGAIN2"]
    run_id, _ = running.run(symbols)
    running.clear(run_id)
    assert running.wait(run_id) == "success"
    assert calls_for(running, symbols) == {"AGAIN1": 2, "AGAIN2": 2}
    running.clear(run_id, ("fetch_and_store", 0))
    assert running.wait(run_id) == "success"
    assert sorted(calls_for(running, symbols).values()) == [2, 3]
    run_id, _ = running.run(["KEPT1"], force=False)
    for tasks in ((), ("fetch_and_store",)):
        running.clear(run_id, *tasks)
        assert running.wait(run_id) == "success"
    assert calls_for(running, ["KEPT1"]) == {"KEPT1": 1}


def calls_for(running: Running, symbols: list[str]) -> dict[str, int]:
    return dict(Counter(call.symbol for call in running.sandbox.entries() if call.symbol in symbols))


def test_backfill_of_past_days_is_red(running: Running):
    """A run for a day that no quote serves fails with the sentence, and asks the provider nothing."""
    before = len(running.sandbox.entries())
    when = "2026-01-05T00:00:00Z"
    body = {"logical_date": when, "conf": {"symbols": ["IBM"]}}
    run_id = running.cluster.api.call("POST", f"dags/{DAG_ID}/dagRuns", json=body)["dag_run_id"]
    assert running.wait(run_id) == "failed"
    assert "a quote is always" in task_log(running, run_id, "validate_environment")
    assert len(running.sandbox.entries()) == before
