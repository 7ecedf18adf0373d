"""A real Prometheus and Alertmanager over the cluster: every target, every query, and what a fault tells people.

One fault runs always; the others, each made for real, with `make test-alerts`.
"""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import psutil
import psycopg2
import pytest
import redis
import requests

from common.quota.quota import key_digest
from local.environment import reader_address
from local.processes import servers
from local.program_environment import environment_of
from local.state import ROOT
from local.temporary import wait_until
from monitoring.panels import DASHBOARDS
from tests.cluster.conftest import MARKED_KEY, Running
from tests.monitoring.test_rules import ALERTS
from tests.support.inboxes import PASSWORD
from tests.support.promql import metric_names, without_variables
from tests.support.watch import Watch, watching
from workers.dag_health import DAG_ID

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
#: What is there only once something has gone wrong, or where a schedule is set.
NOT_ALWAYS = {"pipeline_quarantine_waiting", "pipeline_next_run_timestamp_seconds"}


@pytest.fixture(scope="module")
def watch(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    cluster = running.cluster
    digest = {"ALPHA_VANTAGE_KEY_DIGEST": key_digest(cluster.settings.api_key)}
    environment = environment_of("exporter", cluster.environment) | digest
    with watching(cluster.ports, environment, tmp_path_factory.mktemp("watch")) as watch:
        wait_until(lambda: watch.query("pipeline_build_info"), "the first scrape has come", 60)
        yield watch


def stop(running: Running, *names: str) -> None:
    """Stop processes of the cluster, as an operator does."""
    for name in names:
        running.cluster.supervisor._rpc.supervisor.stopProcess(name)


@pytest.mark.alerts
def test_nothing_stored_is_told(running: Running, watch: Watch):
    """On an installation that never stored a quote, a run without one raises NoSuccess; the first quote ends it."""
    assert running.run(["NOSUCH2"])[1] == "failed"
    watch.wait_for("NoSuccess", fires=True)
    assert running.run(["IBM"])[1] == "success"
    watch.wait_for("NoSuccess", fires=False)


def test_every_target_is_up(watch: Watch):
    """Prometheus reaches the exporter, Alertmanager and itself."""

    def health() -> dict[str, str]:
        return {target["labels"]["job"]: target["health"] for target in watch.ask("targets")["activeTargets"]}

    wait_until(lambda: set(health().values()) == {"up"}, "every target is up", 30)
    assert health().keys() == {"pipeline", "alertmanager", "prometheus"}


def test_every_query_has_an_answer(running: Running, watch: Watch):
    """After a run no panel is empty, every metric that a rule looks at is there, and every rule can be evaluated."""
    assert running.run(["IBM", "AAPL"])[1] == "success"
    queries = {query for _, panels in DASHBOARDS.values() for panel in panels for query in panel.queries.values()}
    wait_until(lambda: all(watch.query(without_variables(query)) for query in queries), "no panel is empty", 30)
    named = set().union(*(metric_names(rule["expr"]) for rule in ALERTS.values())) - NOT_ALWAYS
    assert [metric for metric in sorted(named) if not watch.query(metric)] == []
    rules = [rule for group in watch.ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"]: rule["health"] for rule in rules} == dict.fromkeys(ALERTS, "ok")


def test_stopped_workers_are_told_once(running: Running, watch: Watch):
    """Tasks that no worker takes are one mail and one post, and one more of each when it is over: the run ends well."""
    workers = [name for name in running.cluster.supervisor.states() if name.startswith("worker-")]
    stop(running, *workers)
    run_id = running.cluster.api.trigger({"symbols": ["IBM"]})
    watch.wait_for("QueueUnserved", fires=True)
    wait_until(lambda: watch.told("firing", "QueueUnserved") == 1, "people are told", 30)
    running.cluster.supervisor.start(workers)
    assert running.wait(run_id) == "success"
    watch.wait_for("QueueUnserved", fires=False)
    wait_until(lambda: watch.told("resolved", "QueueUnserved") == 1, "people are told that it is over", 30)
    assert watch.told("firing", "QueueUnserved") == 1
    running.cluster.wait_healthy()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", RUNBOOK, re.MULTILINE | re.DOTALL)


COMMANDS = sorted({line[2:] for block in blocks("console") for line in block.splitlines() if line.startswith("$ ")})


@pytest.mark.parametrize("command", COMMANDS)
def test_runbook_commands_work(running: Running, command: str):
    """Each command of the runbook ends well on a healthy cluster, and says something."""
    line = command.replace("make logs PROCESS=", "make logs -- ")
    line = line.replace(":9464", f":{running.cluster.ports['exporter']}")
    line = line.replace("make ", f"{shlex.quote(sys.executable)} -m local ")
    line = re.sub(r"^python ", f"{shlex.quote(sys.executable)} ", line)
    follows = " -m local logs" in line
    environment = running.cluster.environment
    if follows:
        line = f"timeout --preserve-status 3 {line}"
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == (143 if follows else 0), done.stdout + done.stderr
    assert done.stdout or command.endswith("quarantine list")


@pytest.mark.parametrize("statement", blocks("sql"))
def test_runbook_statements_work(running: Running, statement: str):
    """Each statement of the runbook can be asked as the role that people read with."""
    cluster = running.cluster
    with closing(psycopg2.connect(reader_address(cluster.state, cluster.ports, "market"))) as session:
        session.cursor().execute(statement)


# The other faults, each made for real and taken back.


@contextmanager
def silent_scheduler(running: Running) -> Iterator[None]:
    """The scheduler hangs."""
    process = psutil.Process(running.cluster.supervisor.states()["scheduler"][1])
    process.suspend()
    try:
        yield
    finally:
        process.resume()


@contextmanager
def broken_file(running: Running) -> Iterator[None]:
    """A DAG file cannot be imported."""
    path = ROOT / "dags" / "broken_for_a_test.py"
    path.write_text("from airflow.sdk import DAG\n\nraise RuntimeError('broken')\n", encoding="utf-8")
    try:
        yield
    finally:
        path.unlink()


@contextmanager
def full_redis(running: Running) -> Iterator[None]:
    """Redis may use little more than it does."""
    cluster = running.cluster
    _, server = servers(cluster.state, cluster.ports, cluster.state.secrets())
    with redis.Redis.from_url(server.url()) as client:
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.15))
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)


@contextmanager
def used_up_connections(running: Running) -> Iterator[None]:
    """Somebody's program opens sessions until PostgreSQL gives no more."""
    cluster = running.cluster
    with ExitStack() as opened:
        with suppress(psycopg2.OperationalError):
            while True:
                address = reader_address(cluster.state, cluster.ports, "market")
                opened.enter_context(closing(psycopg2.connect(address)))
        yield


@contextmanager
def refusing_provider(running: Running) -> Iterator[None]:
    """The provider fails every call."""
    running.sandbox.change("faults", faults="http500:1")
    try:
        running.cluster.api.trigger({"symbols": [f"REFUSED{number}" for number in range(12)], "force": True})
        yield
    finally:
        running.sandbox.change("faults", faults="")


@contextmanager
def flower_away(running: Running) -> Iterator[None]:
    """Flower is stopped."""
    stop(running, "flower")
    try:
        yield
    finally:
        running.cluster.supervisor.start(["flower"])


@contextmanager
def paused(running: Running) -> Iterator[None]:
    """A person pauses the pipeline."""
    running.pause(DAG_ID, paused=True)
    try:
        yield
    finally:
        running.pause(DAG_ID, paused=False)


FAULTS: dict[str, Callable[[Running], object]] = {
    "ComponentSilent": silent_scheduler,
    "ImportErrors": broken_file,
    "RedisFull": full_redis,
    "PostgresConnections": used_up_connections,
    "QuotaHeld": refusing_provider,
    "PageDown": flower_away,
    "DagPaused": paused,
}


@pytest.mark.alerts
@pytest.mark.parametrize("alert", FAULTS)
def test_fault_raises_and_clears_alert(running: Running, watch: Watch, alert: str):
    """The fault raises its alert, people are told; once it is taken back the alert ends, and people are told."""
    with FAULTS[alert](running):  # type: ignore[attr-defined]
        watch.wait_for(alert, fires=True, timeout_s=180)
        wait_until(lambda: watch.told("firing", alert) == 1, "people are told", 60)
    watch.wait_for(alert, fires=False, timeout_s=360)
    wait_until(lambda: watch.told("resolved", alert) == 1, "people are told that it is over", 60)


def test_nothing_said_holds_a_secret(running: Running, watch: Watch):
    """After all faults neither the key nor a password is in a metric, an alert, a message, a dashboard or a log."""
    cluster = running.cluster
    said = requests.get(f"{watch.exporter}/metrics", timeout=15).text + str(watch.ask("alerts"))
    said += "".join(watch.inbox.texts()) + str(watch.hook.posts)
    logs = [*watch.folder.rglob("*.log*"), *cluster.state.folder.rglob("*.log*")]
    files = [path for path in (*logs, *(ROOT / "monitoring" / "dashboards").iterdir()) if path.is_file()]
    assert {path.name for path in files} >= {"cluster.json", "exporter.log", "prometheus.log", "alertmanager.log"}
    texts = {"what was said": said} | {str(path): path.read_text("utf-8", "replace") for path in files}
    secrets = {**cluster.state.secrets(), "key": MARKED_KEY, "mail": PASSWORD}
    assert [(place, name) for place, text in texts.items() for name, secret in secrets.items() if secret in text] == []
