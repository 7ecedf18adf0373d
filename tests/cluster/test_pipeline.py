"""The pipeline through Airflow, Celery and Redis, triggered over REST and judged by PostgreSQL and the sandbox."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from common.values import OutcomeStatus, Symbol
from local.temporary import wait_until
from tests.cluster.conftest import MARKED_KEY, Running
from workers.dag_health import DAG_ID
from workers.wiring import Wiring

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

#: The least time between two heartbeats of a task: MIN_HEARTBEAT_INTERVAL in config/airflow.env.
HEARTBEAT_S = 5
#: Two workers of WORKER_CONCURRENCY slots.
SLOTS = 8
DEFAULTS = {"IBM", "AAPL", "GOOGL", "MSFT"}
GOOD = [f"SIXTY{number:02}" for number in range(59)]
UNKNOWN = "NOSUCH1"
ROWS = "SELECT symbol, latest_trading_day, price, xmin::text FROM stock_quotes ORDER BY 1, 2"


def test_the_default_symbols_are_stored_once(running: Running):
    """A run without symbols stores the four defaults; a second one skips them, a forced one changes no row."""
    earlier = {row[0] for row in running.query(ROWS)}
    run_id, state = running.run()
    assert state == "success"
    assert {symbol: outcome.status for symbol, outcome in running.outcomes(run_id).items()} == dict.fromkeys(
        DEFAULTS, OutcomeStatus.STORED
    )
    (event,) = published(running, run_id)
    assert (event["uri"], event["extra"]["stored"]) == ("market://quotes/", len(DEFAULTS))
    before = running.query(ROWS)
    assert {row[0] for row in before} == earlier | DEFAULTS
    calls = len(running.sandbox.entries())
    run_id, state = running.run(force=False)
    assert state == "success"
    assert {outcome.status for outcome in running.outcomes(run_id).values()} == {OutcomeStatus.SKIPPED}
    assert "skip 4" in running.cluster.api.get(f"{plan_of(run_id)}/xcomEntries/summary")["value"]
    assert len(running.sandbox.entries()) == calls
    run_id, state = running.run(force=True)
    assert state == "success"
    assert {outcome.reason for outcome in running.outcomes(run_id).values()} == {"unchanged"}
    assert len(running.sandbox.entries()) == calls + len(DEFAULTS)
    assert running.query(ROWS) == before


def published(running: Running, run_id: str) -> list[dict[str, Any]]:
    """Return the events of the run that tell other DAGs of new rows."""
    listed = running.cluster.api.call("GET", "assets/events", params={"source_run_id": run_id})["asset_events"]
    return [event for event in listed if event["source_task_id"] == "publish"]


def plan_of(run_id: str) -> str:
    return f"dags/stock_data_pipeline/dagRuns/{run_id}/taskInstances/plan"


@dataclass(frozen=True)
class Run:
    """A run that has ended, and how."""

    id: str
    state: str


@pytest.fixture(scope="module")
def sixty(running: Running) -> Run:
    """One run of sixty symbols for the tests below, which look at it from each side; nobody knows one of them."""
    return Run(*running.run([*GOOD, UNKNOWN]))


def test_symbols_spread_over_the_workers(running: Running, sixty: Run):
    """Sixty symbols are worked on by both workers, each symbol by one task that carries its name."""
    assert {outcome.worker for outcome in running.outcomes(sixty.id).values()} == {"worker-1", "worker-2"}
    labels = [task["rendered_map_index"] for task in running.fetching(sixty.id)]
    assert sorted(labels) == sorted([*GOOD, UNKNOWN])


def test_a_slot_keeps_its_process(running: Running, sixty: Run):
    """Sixty symbols are fetched by few processes, and each task's log is its own."""
    mapped = running.fetching(sixty.id)
    processes = {(task["hostname"], task["pid"]) for task in mapped}
    assert len(processes) <= 2 * SLOTS  # twice, where all reach TASKS_PER_PROCESS during this run
    for task in mapped:
        log = task_log(running, sixty.id, f"fetch_and_store/map_index={task['map_index']}")
        assert set(re.findall(rf"SIXTY\d\d|{UNKNOWN}", log)) == {task["rendered_map_index"]}
        assert set(re.findall(r'"ti_id":"([^"]+)"', log)) == {task["id"]}


def test_lines_of_a_task_name_it(running: Running, sixty: Run):
    """What our code logs in a task says of which run, try and worker it is, with the symbol where there is one."""
    log = task_log(running, sixty.id, "report") + task_log(running, sixty.id, "plan")
    lines = [json.loads(line) for line in log.splitlines()]
    ours = [line for line in lines if str(line.get("logger", "")).startswith(("common.", "workers."))]
    assert ours
    assert {(line.get("run"), line.get("attempt")) for line in ours} == {(sixty.id, 1)}
    assert {line.get("worker") for line in ours} <= {"worker-1", "worker-2"}
    [unknown] = [task for task in running.fetching(sixty.id) if task["rendered_map_index"] == UNKNOWN]
    log = task_log(running, sixty.id, f"fetch_and_store/map_index={unknown['map_index']}")
    assert UNKNOWN in {json.loads(line).get("symbol") for line in log.splitlines()}


def test_one_failure_stops_no_other(running: Running, sixty: Run):
    """An unknown symbol fails at once with its reason, the others are stored, and the run is red and says why: no
    other DAG is told of new rows.
    """
    assert sixty.state == "failed"
    outcomes = running.outcomes(sixty.id)
    assert {outcomes[Symbol(symbol)].status for symbol in GOOD} == {OutcomeStatus.STORED}
    assert outcomes[Symbol(UNKNOWN)].status is OutcomeStatus.FAILED
    assert outcomes[Symbol(UNKNOWN)].reason == "unknown_symbol"
    calls = Counter(call.symbol for call in running.sandbox.entries() if call.symbol in {*GOOD, UNKNOWN})
    assert calls == dict.fromkeys([*GOOD, UNKNOWN], 1)
    instances = {(i["task_id"], i["rendered_map_index"]): i for i in running.cluster.api.task_instances(sixty.id)}
    assert instances["fetch_and_store", UNKNOWN]["try_number"] == 1
    assert instances["report", None]["state"] == "failed"
    assert UNKNOWN in task_log(running, sixty.id, "report")
    assert instances["clean_up", None]["state"] == "success"
    assert instances["publish", None]["state"] == "skipped"
    assert published(running, sixty.id) == []


def test_task_asks_api_server_for_little(running: Running, sixty: Run):
    """A symbol's task starts and ends with a call each: none for its label or its number, and a heartbeat only after
    an interval.
    """
    log = (running.cluster.state.folder / "logs" / "api-server.log").read_text("utf-8")
    for task in running.fetching(sixty.id):
        calls = Counter(re.findall(rf"path=/execution/task-instances/{task['id']}/(\S+)", log))
        assert calls.pop("heartbeat", 0) <= task["duration"] // HEARTBEAT_S
        assert calls == {"run": 1, "state": 1}
    assert "path=/execution/xcoms/" in log  # such as the plan's own
    assert not re.findall(rf"method=GET path=/execution/xcoms/\S+/{re.escape(sixty.id)}/plan/return_value", log)


def test_flower_shows_names_and_no_token(running: Running, sixty: Run):
    """Flower lists the tasks by readable names, and no bearer token of Airflow's is in its reply."""
    secrets = running.cluster.state.secrets()
    url = f"{running.cluster.flower_url}/api/tasks"
    assert requests.get(url, timeout=10).status_code == 401
    reply = requests.get(url, auth=("admin", secrets["flower"]), timeout=10)
    assert "map_index=0" in reply.text
    assert "eyJ" not in reply.text
    names = {task["name"] for task in reply.json().values()}
    assert "stock_data_pipeline.fetch_and_store" in names
    assert "execute_workload" not in names  # a failed task's traceback may name it


def test_flowers_metrics_know_no_map_index(running: Running, sixty: Run):
    """A run of 60 symbols adds one task's name to Flower's metrics, and not one for each symbol."""
    text = requests.get(f"{running.cluster.flower_url}/metrics", timeout=10).text
    names = {name for name in re.findall(r'task="([^"]+)"', text) if name.startswith(f"{DAG_ID}.")}
    tasks = running.cluster.api.task_instances(sixty.id)
    assert names == {f"{DAG_ID}.{task['task_id']}" for task in tasks}


def task_log(running: Running, run_id: str, task_id: str) -> str:
    folder = running.cluster.state.airflow_home / "logs" / "dag_id=stock_data_pipeline" / f"run_id={run_id}"
    return "".join(path.read_text("utf-8") for path in (folder / f"task_id={task_id}").rglob("*.log"))


def test_a_misspelt_symbol_fails_alone(running: Running):
    """What can be no symbol is never asked for and makes the run red; what has an odd spelling is fetched."""
    run_id, state = running.run(["M&M", "no such thing!", "BC/PB"])
    assert state == "failed"
    reasons = {str(symbol): outcome.reason for symbol, outcome in running.outcomes(run_id).items()}
    assert reasons == {"M&M": "inserted", "no such thing!": "not_a_symbol", "BC/PB": "inserted"}
    labels = {i["rendered_map_index"] for i in running.cluster.api.task_instances(run_id)}
    assert {"M&M", "BC/PB"} <= labels
    assert "is not a stock symbol" in task_log(running, run_id, "report")
    assert not [call for call in running.sandbox.entries() if "SUCH THING" in call.symbol]


def test_every_symbol_ends_somewhere_under_faults(running: Running):
    """With 30 % faults of every kind each symbol ends stored, or quarantined with a reason and the reply."""
    symbols = [f"FAULTY{number}" for number in range(24)]
    running.sandbox.change("faults", faults="all:0.3")
    try:
        run_id, _ = running.run(symbols)
    finally:
        running.sandbox.change("faults", faults="")
    outcomes = running.outcomes(run_id)
    assert set(outcomes) == set(map(Symbol, symbols))
    ended = Counter(outcome.status for outcome in outcomes.values())
    assert set(ended) <= {OutcomeStatus.STORED, OutcomeStatus.QUARANTINED}, outcomes
    assert ended[OutcomeStatus.STORED] > ended[OutcomeStatus.QUARANTINED]
    faults = [call for call in running.sandbox.entries() if call.verdict.startswith("fault:")]
    assert len({call.verdict for call in faults}) > 3
    kept = dict(running.query("SELECT symbol, reason FROM quarantine WHERE run_id = %s", run_id))
    for symbol, outcome in outcomes.items():
        if outcome.status is OutcomeStatus.QUARANTINED:
            assert kept[symbol]


def test_rejected_key_stops_run_at_once(running: Running):
    """When the key is revoked no symbol is retried, and those that come later are not tried at all."""
    symbols = [f"REVOKED{number}" for number in range(30)]
    before = len(running.sandbox.entries())
    running.sandbox.change("revoke", keys=[MARKED_KEY])
    try:
        run_id, state = running.run(symbols)
    finally:
        running.sandbox.change("revoke", keys=[])
    assert state == "failed"
    reasons = Counter(outcome.reason for outcome in running.outcomes(run_id).values())
    assert set(reasons) == {"api_key", "run_halted"}, reasons
    assert reasons["api_key"] < len(symbols)
    assert len(running.sandbox.entries()) - before == reasons["api_key"]


def test_many_symbols_share_tasks(running: Running):
    """Beyond a hundred symbols tasks take batches: each symbol is asked for once, and a batch says how it went."""
    symbols = [f"SHARED{number}" for number in range(120)] + ["NOSUCHSHARED"]
    run_id, state = running.run(symbols)
    assert state == "failed"
    statuses = Counter(outcome.status for outcome in running.outcomes(run_id).values())
    assert statuses == {OutcomeStatus.STORED: 120, OutcomeStatus.FAILED: 1}
    assert Counter(c.symbol for c in running.sandbox.entries() if "SHARED" in c.symbol) == dict.fromkeys(symbols, 1)
    mapped = running.fetching(run_id)
    labels = sorted(instance["rendered_map_index"] for instance in mapped)
    assert len(labels) == 3
    assert sum(bool(re.fullmatch(r"batch \d: \d+ stored", label)) for label in labels) == 2
    assert [label for label in labels if "1 failed" in label]
    assert {instance["try_number"] for instance in mapped} == {1}


def test_far_turn_gives_the_slot_away(running: Running):
    """While nothing may be called for a while, tasks are deferred, under their symbols' names; then they go on by
    themselves and spend no retry.
    """
    with Wiring(running.cluster.settings) as wiring:
        wiring.limiter.hold_back(20, "a test")
    run_id = running.cluster.api.trigger({"symbols": ["FAR1", "FAR2", "FAR3"], "force": True})
    wait_until(lambda: states_of(running, run_id) == ["deferred"] * 3, "all three are deferred", 60)
    assert labels_of(running, run_id) == {"FAR1", "FAR2", "FAR3"}
    assert running.wait(run_id) == "success"
    assert states_of(running, run_id) == ["success"] * 3
    mapped = running.fetching(run_id)
    assert {instance["try_number"] for instance in mapped} == {1}
    assert Counter(call.symbol for call in running.sandbox.entries() if call.symbol.startswith("FAR")) == {
        "FAR1": 1,
        "FAR2": 1,
        "FAR3": 1,
    }


def states_of(running: Running, run_id: str) -> list[str]:
    return [task["state"] for task in running.fetching(run_id)]


def labels_of(running: Running, run_id: str) -> set[str]:
    return {task["rendered_map_index"] for task in running.fetching(run_id)}
