"""The cluster under hard kills: what is killed comes back, and nothing is left behind."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import redis

from common.values import OutcomeStatus
from local.leftovers import leftovers
from local.processes import servers
from local.temporary import wait_until
from tests.cluster.conftest import Running

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(500)]


def pid_of(running: Running, name: str) -> int:
    return running.cluster.supervisor.states()[name][1]


def kill_tree(pid: int) -> None:
    victim = psutil.Process(pid)
    for process in [victim, *victim.children(recursive=True)]:
        process.kill()


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print how long it took; benchmarks/README.md has what was measured."""
    begun = time.monotonic()
    yield
    print(f"\n{what}: the run ended {time.monotonic() - begun:.0f} s later")


def test_killed_worker_loses_nothing(running: Running):
    """kill -9 of a worker during a run: every symbol is stored, at most one call more for each that was in work."""
    symbols = [f"KILLED{number}" for number in range(40)]
    run_id = running.cluster.api.trigger({"symbols": symbols})
    stored = "SELECT count(*) FROM fetch_outcomes WHERE run_id = %s AND status = 'stored'"
    wait_until(lambda: running.query(stored, run_id)[0][0] >= 4, "the first symbols are stored", 60)
    kill_tree(pid_of(running, "worker-1"))
    with timed("a worker was killed"):
        assert running.wait(run_id, timeout_s=300) == "success"
    outcomes = running.outcomes(run_id)
    assert {outcome.status for outcome in outcomes.values()} == {OutcomeStatus.STORED}
    assert len(outcomes) == len(symbols)
    calls = [call for call in running.sandbox.entries() if call.symbol in symbols]
    assert len(symbols) <= len(calls) <= len(symbols) + 4
    rows = running.query("SELECT symbol FROM stock_quotes WHERE symbol LIKE 'KILLED%%'")
    assert len(rows) == len(symbols)


def test_early_kill_loses_no_task(running: Running):
    """kill -9 of a worker whose slots have taken tasks and not begun them: they are queued again, asked for once."""
    symbols = [f"TAKEN{number}" for number in range(20)]
    run_id = running.cluster.api.trigger({"symbols": symbols})
    stored = "SELECT count(*) FROM fetch_outcomes WHERE run_id = %s AND status = 'stored'"
    wait_until(lambda: running.state(run_id, "plan") == "success", "the plan's task has ended", 60)
    worker = psutil.Process(pid_of(running, "worker-1"))
    slots = worker.children()
    for slot in slots:
        slot.suspend()
    wait_until(lambda: running.query(stored, run_id)[0][0] >= len(symbols) - len(slots), "the rest is stored", 60)
    assert running.query(stored, run_id)[0][0] < len(symbols), "no slot had taken a task"
    kill_tree(worker.pid)
    with timed("a worker was killed that had taken tasks and not begun them"):
        assert running.wait(run_id, timeout_s=300) == "success"
    assert {outcome.status for outcome in running.outcomes(run_id).values()} == {OutcomeStatus.STORED}
    calls = Counter(call.symbol for call in running.sandbox.entries() if call.symbol in symbols)
    assert calls == dict.fromkeys(symbols, 1)


def test_killed_slot_loses_only_its_task(running: Running):
    """kill -9 of every process that runs tasks, during a run: the workers go on, and every symbol is stored."""
    symbols = [f"SLOT{number}" for number in range(40)]
    run_id = running.cluster.api.trigger({"symbols": symbols})
    stored = "SELECT count(*) FROM fetch_outcomes WHERE run_id = %s AND status = 'stored'"
    wait_until(lambda: running.query(stored, run_id)[0][0] >= 8, "the first symbols are stored", 60)
    pids = {task["pid"] for task in running.fetching(run_id)} - {None}
    victims = [process for process in psutil.process_iter() if process.pid in pids]
    assert victims
    for process in victims:
        process.kill()
    assert running.wait(run_id, timeout_s=300) == "success"
    assert {outcome.status for outcome in running.outcomes(run_id).values()} == {OutcomeStatus.STORED}
    calls = [call for call in running.sandbox.entries() if call.symbol in symbols]
    assert len(symbols) <= len(calls) <= len(symbols) + len(victims)


def test_kill_during_batches_repeats_no_symbol(running: Running):
    """kill -9 of a worker within batches: every symbol is stored, and what was stored is not asked for again."""
    symbols = [f"BATCHED{number}" for number in range(240)]
    run_id = running.cluster.api.trigger({"symbols": symbols})
    stored = "SELECT symbol FROM fetch_outcomes WHERE run_id = %s AND status = 'stored'"
    wait_until(lambda: len(running.query(stored, run_id)) >= 40, "some batches are under way", 60)
    kill_tree(pid_of(running, "worker-1"))
    before = {symbol for (symbol,) in running.query(stored, run_id)}
    assert running.wait(run_id, timeout_s=300) == "success"
    assert {outcome.status for outcome in running.outcomes(run_id).values()} == {OutcomeStatus.STORED}
    calls = Counter(call.symbol for call in running.sandbox.entries() if call.symbol in symbols)
    assert set(calls) == set(symbols)
    assert {calls[symbol] for symbol in before} == {1}
    assert max(calls.values()) <= 2


def test_an_emptied_redis_loses_no_task(running: Running):
    """FLUSHALL takes the queues and the limiter's memory during a run: every symbol is stored, none is asked twice."""
    symbols = [f"EMPTIED{number}" for number in range(40)]
    run_id = running.cluster.api.trigger({"symbols": symbols})
    stored = "SELECT count(*) FROM fetch_outcomes WHERE run_id = %s AND status = 'stored'"
    wait_until(lambda: running.query(stored, run_id)[0][0] >= 4, "the first symbols are stored", 60)
    state = running.cluster.state
    _, server = servers(state, running.cluster.ports, state.secrets())
    with redis.Redis.from_url(server.url()) as client:
        client.flushall()
    with timed("Redis was emptied"):
        assert running.wait(run_id, timeout_s=300) == "success"
    assert {outcome.status for outcome in running.outcomes(run_id).values()} == {OutcomeStatus.STORED}
    calls = Counter(call.symbol for call in running.sandbox.entries() if call.symbol in symbols)
    assert calls == dict.fromkeys(symbols, 1)


def test_killed_manager_leaves_no_orphan(running: Running):
    """kill -9 of the process manager ends every process by itself; the next start is healthy and has the rows."""
    cluster = running.cluster
    before = running.query("SELECT count(*) FROM stock_quotes")
    os.kill(int((cluster.state.folder / "supervisord.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: not leftovers(cluster.state.folder), "no process of the cluster is left", 120)
    cluster.up(ends_with_us=True)
    assert running.query("SELECT count(*) FROM stock_quotes") == before
    assert running.run(["AFTERWARDS"])[1] == "success"
