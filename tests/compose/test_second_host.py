"""Past one machine: a second project with workers alone, which shares nothing with the first but published ports."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from local.ports import free_port
from tests.compose.conftest import STACK
from tests.compose.test_running import ROOMY, all_secrets
from tests.support.stack import SCALE, Stack, docker, fresh_clone

#: Characters that mean something to redis.conf, Flower, a URL, libpq, a shell or .env, as .env holds them.
AWKWARD = {
    "POSTGRES_PASSWORD": "'pass word \"1\" \\\\'",
    "REDIS_PASSWORD": "'it\\'s \"#1\" $HOME %d \\\\ p@ss:w/rd?ä'",
    "AIRFLOW_DB_PASSWORD": "p@ss:w/rd#1%2F+ü",
    "MARKET_DB_PASSWORD": "'a\\'b \"c\" %s \\\\'",
    "MARKET_OWNER_PASSWORD": "'# -- ; $1 `id` é'",
    "MARKET_READER_PASSWORD": "'a b \\'c\\' % @:/'",
    "AIRFLOW_ADMIN_PASSWORD": "'[/red] <b>ß & 20%'",
    "FLOWER_PASSWORD": "'one,two: \"three\" $PATH #4'",
}

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def hosts(bridge: str, clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Stack]]:
    """The overlay on a first host, one worker each for fetching and housekeeping, and two workers on a second one."""
    names = ("AIRFLOW_PORT", "FLOWER_PORT", "EXPORTER_PORT", "POSTGRES_PORT", "REDIS_PORT", "SANDBOX_PORT")
    first = Stack(fresh_clone(tmp_path_factory.mktemp("first")), "pipelinefirst", files=SCALE)
    second = Stack(fresh_clone(tmp_path_factory.mktemp("second")), "pipelinesecond", files=SCALE)
    alike = {**ROOMY, "WORKER_AUTOSCALE": "2,2"}
    one_each = {"WORKER_REPLICAS": "1", "SCHEDULER_REPLICAS": "1", "EXECUTION_REPLICAS": "1"}
    ports = {name: str(free_port()) for name in names}
    first.set_dotenv(**alike, **one_each, **ports, **AWKWARD, BIND_ADDRESS=bridge, CLUSTER_BIND_ADDRESS=bridge)
    Stack(clone, STACK).down()  # the room's other cluster has done its work, and two are too much for two cores
    try:
        first.compose("build", "secrets", timeout_s=900)
        first.up()
        second.set_dotenv(**alike)
        with (second.folder / ".env").open("a", encoding="utf-8") as dotenv:
            dotenv.write(first.compose("run", "--rm", "-T", "secrets", "join", bridge))
        second.up("--scale", "airflow-worker-remote=2", "airflow-worker-remote")
        yield first, second
    finally:
        second.down()
        first.down()


def test_the_second_host_runs_workers_alone(hosts: tuple[Stack, Stack]):
    """There is its own secrets step and its workers, on no network of the first project."""
    first, second = hosts
    assert {row["Service"] for row in second.ps(all_of_them=True)} == {"secrets", "airflow-worker-remote"}
    networks = [
        {name for container in stack.inspect() for name in container["NetworkSettings"]["Networks"]} - {"none"}
        for stack in hosts
    ]
    assert networks[0] & networks[1] == set()
    assert len(first.ps("airflow-worker")) == 1


def test_both_hosts_take_their_share(hosts: tuple[Stack, Stack]):
    """60 symbols, fetched by the first host's worker and the second's two, each once; the plan by the housekeeper."""
    first, second = hosts
    symbols = [f"REMOTE{number}" for number in range(60)]
    run_id = first.start_run(symbols)
    assert first.finish_run(run_id) == "success"
    outcomes = first.outcomes(run_id)
    assert {symbol: status for symbol, (status, _) in outcomes.items()} == dict.fromkeys(symbols, "stored")
    took = {worker for _, worker in outcomes.values()}
    here = {row["ID"][:12] for row in first.ps("airflow-worker")}
    there = {row["ID"][:12] for row in second.ps("airflow-worker-remote")}
    assert took <= here | there
    assert took & here
    assert took & there
    queues = {row["task_id"]: row["queue"] for row in first.api.task_instances(run_id)}
    assert queues["fetch_and_store"] == "fetch"
    assert queues["plan"] == queues["report"] == "housekeeping"


def test_a_program_of_the_host_reads(hosts: tuple[Stack, Stack]):
    """The address that is printed opens PostgreSQL where it is published, for the role that only reads."""
    first, _ = hosts
    server = first.compose("port", "postgres", "5432").strip()
    address = first.compose("run", "--rm", "-T", "secrets", "reader-address", server).strip()
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user, count(*) >= 0 FROM latest_quotes")
        assert cursor.fetchall() == [("market_reader", True)]


def test_awkward_passwords_open_everything(hosts: tuple[Stack, Stack]):
    """Every password of AWKWARD is taken as it is written: by the pages too; no log of a container holds one."""
    first, _ = hosts
    opens = {page: first.passwords[page] for page in ("airflow", "flower")}
    assert opens == {"airflow": "[/red] <b>ß & 20%", "flower": 'one,two: "three" $PATH #4'}
    assert first.api.health()["scheduler"] == "healthy"
    assert len(first.flower("workers?json=1")["data"]) == 4
    assert "WRONGPASS" in first.execute("redis", "redis-cli", "auth", "one,two", check=False)
    for stack in hosts:
        secrets = set(all_secrets(stack).values())
        for container in stack.inspect():
            log = docker("logs", container["Id"])
            assert not [secret for secret in secrets if secret in log], container["Name"]
