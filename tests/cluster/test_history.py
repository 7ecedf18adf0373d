"""Daily bars through the cluster: after the quotes, within the same quota."""

import pytest

from common.values import Symbol
from local.temporary import wait_until
from tests.cluster.conftest import ENDED, Running

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

HISTORY = "stock_history"
SYMBOLS = ["HISTORY1", "HISTORY2"]


def runs(running: Running) -> dict[str, str]:
    """Return the state of each run of the history."""
    return {run["dag_run_id"]: run["state"] for run in running.cluster.api.get(f"dags/{HISTORY}/dagRuns")["dag_runs"]}


def test_the_history_follows_the_quotes(running: Running):
    """A run of quotes starts one of the history for its symbols: one call each, a hundred sessions stored."""
    running.pause(HISTORY, paused=False)
    try:
        known = runs(running)
        running.run(SYMBOLS)
        wait_until(lambda: set(runs(running).values()) <= ENDED and runs(running).keys() - known, "it ran", 120)
    finally:
        running.pause(HISTORY, paused=True)
    ((run_id, state),) = runs(running).items() - known.items()
    assert state == "success"
    assert set(running.outcomes(f"history:{run_id}")) == set(map(Symbol, SYMBOLS))
    calls = [entry.function for entry in running.sandbox.entries() if entry.symbol in SYMBOLS]
    assert sorted(calls) == 2 * ["GLOBAL_QUOTE"] + 2 * ["TIME_SERIES_DAILY"]
    stored = running.query("SELECT symbol, count(*) FROM daily_bars WHERE symbol = ANY (%s) GROUP BY 1", SYMBOLS)
    assert sorted(stored) == [(symbol, 100) for symbol in SYMBOLS]
