"""The running cluster, as a person meets it."""

import json
import re
from collections import Counter

import pytest
import requests

from tests.support.proxy import Proxy
from tests.support.stack import Stack, docker

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]

DEFAULTS = {"IBM", "AAPL", "GOOGL", "MSFT"}
#: Enough for every run of these tests; the default, 25 a day, is not. A task for each symbol, so that there are many.
ROOMY = {"ALPHA_VANTAGE_QUOTA": "40/s,100000/day", "STOCK_SCHEDULE": "none", "SYMBOLS_PER_TASK": "1"}


def short_ids(stack: Stack, *services: str) -> set[str]:
    """Return the host names of the containers: the beginnings of their ids."""
    return {row["ID"][:12] for row in stack.ps(*services)}


def test_a_fresh_clone_is_all_green(stack: Stack):
    """Without a .env every container is healthy or has done its work, and four workers are online in Flower."""
    rows = stack.ps(all_of_them=True)
    done = {row["Service"] for row in rows if row["State"] == "exited"}
    assert done == {"secrets", "market-init", "airflow-init"}
    assert {row["Health"] for row in rows if row["Service"] not in done} == {"healthy"}
    assert set(stack.api.health().values()) == {"healthy"}
    online = {
        worker["hostname"].removeprefix("celery@")
        for worker in stack.flower("workers?json=1")["data"]
        if worker["status"]
    }
    assert online == short_ids(stack, "airflow-worker")
    assert len(online) == 4


def test_the_four_default_symbols_are_stored(stack: Stack):
    """The DAG, triggered over REST, stores the four default symbols; the ledger names Flower's workers."""
    run_id = stack.start_run()
    assert stack.finish_run(run_id) == "success"
    outcomes = stack.outcomes(run_id)
    assert {symbol: status for symbol, (status, _) in outcomes.items()} == dict.fromkeys(DEFAULTS, "stored")
    assert {worker for _, worker in outcomes.values()} <= short_ids(stack, "airflow-worker")
    assert {row[0] for row in stack.query("SELECT symbol FROM stock_quotes")} == DEFAULTS
    assert stack.query("SELECT count(*) FROM pg_stat_user_tables WHERE relname = 'stock_quotes'", "market") == [["1"]]


def test_command_line_answers_in_container(stack: Stack):
    """The health check and one symbol's fetch work by `docker compose exec`."""
    report = json.loads(
        stack.execute("airflow-worker", "python", "-m", "workers.fetch_and_store", "--health-check", "--json")
    )
    assert report["healthy"]
    shown = stack.execute("airflow-worker", "python", "-m", "workers.fetch_and_store", "--symbol", "AAPL")
    assert "invented by the sandbox" in shown


def test_nothing_runs_as_root(stack: Stack):
    """Each container, and each health check in it, runs as a user without rights, and no capability is added."""
    for container in stack.inspect():
        service = container["Config"]["Labels"]["com.docker.compose.service"]
        assert container["HostConfig"]["CapDrop"] == ["ALL"]
        assert not container["HostConfig"]["CapAdd"], service
        assert container["Config"]["User"].partition(":")[0] not in {"", "root", "0"}, service
        if container["State"]["Running"]:
            processes = [
                line.split(None, 2) for line in docker("top", container["Id"], "-eo", "pid,uid,comm").splitlines()[1:]
            ]
            root = [name for _, uid, name in processes if uid == "0" and name not in {"docker-init", "tini"}]
            assert root == [], service


def test_no_secret_is_seen_from_outside(stack: Stack):
    """Neither `docker inspect`, a process list nor a log of a container holds a secret, only paths of files."""
    known = all_secrets(stack)
    assert len(known) >= 11
    for container in stack.inspect():
        name = container["Name"]
        seen = json.dumps(container) + docker("logs", container["Id"])
        if container["State"]["Running"]:
            seen += docker("top", container["Id"], "-eo", "pid,args")
        assert [secret for secret, value in known.items() if value in seen] == [], name


def all_secrets(stack: Stack) -> dict[str, str]:
    """Return every secret of the stack, read where it lies."""
    files = "pathlib.Path('/run/pipeline').glob('*/*')"
    read = f"import pathlib, json; print(json.dumps({{p.name: p.read_text() for p in {files}}}))"
    found = json.loads(stack.compose("run", "--rm", "-T", "--entrypoint", "python3", "secrets", "-c", read))
    return {name: value for name, value in found.items() if value}


def test_each_service_reads_its_own_secrets(stack: Stack):
    """The key and the market's password are with the workers alone, the alerts' addresses with those who send."""
    folders = {
        service: set(stack.execute(service, "sh", "-c", "cd /run/pipeline && ls */* 2>/dev/null").split())
        for service in (
            "airflow-worker",
            "airflow-apiserver",
            "airflow-dag-processor",
            "flower",
            "redis",
            "postgres",
            "exporter",
        )
    }
    holders = {
        name: {service for service, files in folders.items() if name in files}
        for name in set().union(*folders.values())
    }
    assert holders["market/alpha_vantage_api_key"] == {"airflow-worker"}
    assert holders["alerts/alert_urls"] == {"airflow-worker", "exporter"}
    assert holders["market/market_db_password"] == {"airflow-worker"}
    assert holders["api/jwt_secret"] == {"airflow-apiserver"}
    assert holders["page/market_reader_password"] == {"airflow-apiserver"}
    assert holders["flower/flower_password"] == {"flower"}
    assert holders["monitor/monitor_db_password"] == {"exporter"}
    assert holders["postgres/postgres_password"] == {"postgres"}
    assert "init/market_owner_password" not in holders


@pytest.mark.parametrize("user", ["airflow", "admin"])
def test_no_default_password_opens_a_page(stack: Stack, user: str):
    """Neither Airflow nor Flower takes a well-known pair; Redis and PostgreSQL take nobody without a password."""
    login = requests.post(f"{stack.api.url}/auth/token", json={"username": user, "password": user}, timeout=15)
    assert login.status_code == 401
    flower = stack._url("flower", 5555)
    assert requests.get(f"{flower}/api/workers", auth=(user, user), timeout=15).status_code == 401
    assert "NOAUTH" in stack.execute("redis", "redis-cli", "ping")
    refused = stack.compose(
        "exec", "-T", "postgres", "psql", "-w", "-h", "postgres", "-U", "postgres", "-c", "SELECT 1", check=False
    )
    assert "1 row" not in refused


def test_ports_are_on_loopback(stack: Stack):
    """The engine publishes three ports, all on 127.0.0.1."""
    bound = [
        binding
        for container in stack.inspect()
        for bindings in (container["HostConfig"]["PortBindings"] or {}).values()
        for binding in bindings
    ]
    assert len(bound) == 3
    assert {binding["HostIp"] for binding in bound} == {"127.0.0.1"}


def test_only_the_provider_sees_the_proxy(stack: Stack, proxy: Proxy):
    """After all that ran here the proxy was asked for nothing; with a key it is asked for the provider."""
    assert proxy.asked == []
    checked = ["python", "-m", "workers.fetch_and_store", "--health-check"]
    stack.compose("exec", "-T", "-e", "ALPHA_VANTAGE_API_KEY=MARKED", "airflow-worker", *checked, check=False)
    assert set(proxy.asked) == {"www.alphavantage.co:443"}
    proxy.asked.clear()


def test_a_missing_list_is_one_sentence(stack: Stack):
    """A universe whose file is not in config/symbols says which file that is, without a traceback."""
    fetch = ["exec", "-T", "-e", "STOCK_SYMBOLS=@config/symbols/none.txt", "airflow-worker", "sh", "-c"]
    said = stack.compose(*fetch, "python -m workers.fetch_and_store --symbol IBM 2>&1", check=False)
    assert "config/symbols/none.txt" in said
    assert "Traceback" not in said


def test_a_tuned_dotenv_takes_effect(stack: Stack):
    """A changed .env and `docker compose up -d` is all it takes: slots, quota, and a universe in a file."""
    symbols = [f"FORTY{number}" for number in range(40)]
    (stack.folder / "config" / "symbols" / "forty.txt").write_text("\n".join(["# forty", *symbols]), encoding="utf-8")
    stack.set_dotenv(**ROOMY, WORKER_CONCURRENCY="3", STOCK_SYMBOLS="@config/symbols/forty.txt")
    stack.up("--scale", "airflow-worker=4")
    slots = {
        worker["stats"]["pool"]["max-concurrency"]
        for worker in stack.flower("api/workers?refresh=1").values()
        if worker.get("stats")
    }
    assert slots == {3}
    run_id = stack.start_run()
    assert stack.finish_run(run_id) == "success"
    outcomes = stack.outcomes(run_id)
    assert {symbol: status for symbol, (status, _) in outcomes.items()} == dict.fromkeys(symbols, "stored")
    assert len({worker for _, worker in outcomes.values()}) > 1


def test_flower_shows_names_and_no_token(stack: Stack):
    """Flower's task history reads as the DAG's tasks, with indexes among the arguments, and without a token."""
    tasks = stack.flower("api/tasks").values()
    fetches = [task for task in tasks if task["name"] == "stock_data_pipeline.fetch_and_store"]
    assert len({re.search(r"map_index=\d+", task["args"])[0] for task in fetches}) > 1
    assert "eyJ" not in json.dumps(list(tasks))


def test_scaling_during_a_run_loses_nothing(stack: Stack):
    """1 → 4 → 2 workers while 200 symbols are fetched: each stored once, nothing failed, no retry spent."""
    stack.compose(
        "up", "-d", "--no-deps", "--no-recreate", "--scale", "airflow-worker=1", "airflow-worker", timeout_s=700
    )
    symbols = [f"SCALE{number}" for number in range(200)]
    run_id = stack.start_run(symbols)
    stack.wait_for_stored(run_id, 20)
    stack.compose("up", "-d", "--no-deps", "--no-recreate", "--scale", "airflow-worker=4", "airflow-worker")
    stack.wait_for_stored(run_id, 110)
    stack.compose(
        "up", "-d", "--no-deps", "--no-recreate", "--scale", "airflow-worker=2", "airflow-worker", timeout_s=700
    )
    assert len(stack.ps("airflow-worker")) == 2
    assert stack.finish_run(run_id) == "success"
    outcomes = stack.outcomes(run_id)
    assert Counter(status for status, _ in outcomes.values()) == {"stored": 200}
    quotes = [call for call in stack.calls("SCALE") if call["function"] == "GLOBAL_QUOTE"]
    assert Counter(call["symbol"] for call in quotes) == dict.fromkeys(symbols, 1)
    tries = Counter(row["try_number"] for row in stack.api.task_instances(run_id))
    assert set(tries) == {1}
