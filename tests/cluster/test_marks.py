"""A person marks and clears in the UI: no run turns green for it, every symbol ends with an outcome, work is redone."""

import pytest

from common.values import OutcomeStatus, Symbol
from local.temporary import wait_until
from tests.cluster.conftest import Running
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
    run_id = held_back(running, ["MARKED1", "MARKED2"], 25)
    running.mark(run_id, "failed")
    assert running.wait(run_id) == "failed"
    outcomes = running.outcomes(run_id).values()
    assert {outcome.status for outcome in outcomes} == {OutcomeStatus.FAILED}
    assert {outcome.reason for outcome in outcomes} <= LEFT_OPEN


def test_marked_tasks_turn_no_run_green(running: Running):
    """With fetching tasks marked failed and success, and the report success, the run is red and no symbol is open."""
    run_id = held_back(running, ["TASK1", "TASK2", "TASK3"], 15)
    running.mark(run_id, "failed", "fetch_and_store", 0)
    running.mark(run_id, "success", "fetch_and_store", 1)
    running.mark(run_id, "success", "report")
    assert running.wait(run_id) == "failed"
    reasons = {symbol: outcome.reason for symbol, outcome in running.outcomes(run_id).items()}
    assert {reasons[Symbol("TASK1")], reasons[Symbol("TASK2")]} <= LEFT_OPEN
    assert reasons[Symbol("TASK3")] == "inserted"
