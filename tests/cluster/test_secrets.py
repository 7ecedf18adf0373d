"""After every kind of fault, the marked key is nowhere: named to run last in its room."""

import psycopg2
import pytest
import redis
import requests

from local.services import Postgres
from local.temporary import wait_until
from tests.cluster.conftest import MARKED_KEY, Running

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def after_every_fault(running: Running) -> Running:
    """Run through faults of every group; last the refusals that end a run or a day, which echo the key."""
    names = ("RESET-BODY", "HTTP500", "GARBAGE", "STALL", "HTML", "TRUNCATED-SILENT", "HTTP429")
    running.run([f"FAULT2-{name}" for name in names], timeout_s=240)
    running.rejected, _ = running.run(["FAULT2-KEY"])
    use_up_the_day(running)
    return running


def use_up_the_day(running: Running) -> None:
    """Let the provider say that the day is over: the run ends, or waits where the next day is near."""
    run_id = running.last_run = running.cluster.api.trigger({"symbols": ["FAULT2-DAY"], "force": True})
    states = {"skipped", "deferred"}
    wait_until(lambda: {task["state"] for task in running.fetching(run_id)} & states, "the day is over", 180)
    if running.fetching(run_id)[0]["state"] == "skipped":
        running.wait(run_id)


def test_no_log_file_has_the_key(after_every_fault: Running):
    """No process's log and no task's log holds the key."""
    state = after_every_fault.cluster.state
    found = [path for path in state.folder.rglob("*.log*") if MARKED_KEY.encode() in path.read_bytes()]
    assert found == []
    assert list(state.airflow_home.rglob("task_id=fetch_and_store/**/*.log"))


def test_no_database_has_the_key(after_every_fault: Running):
    """No row of any table, of the market's or of Airflow's database, holds the key."""
    cluster = after_every_fault.cluster
    server = Postgres(cluster.state.folder, cluster.ports["postgres"], cluster.state.secrets()["postgres"])
    for database in ("market", "airflow"):
        assert tables_with(server.url(database), MARKED_KEY) == []
    assert "fetch_outcomes" in tables_with(server.url("market"), "FAULT2-KEY")


def tables_with(url: str, text: str) -> list[str]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT relname FROM pg_stat_user_tables ORDER BY 1")
            names = [name for (name,) in cursor.fetchall()]
            assert names
            found = []
            for name in names:
                cursor.execute(
                    f'SELECT EXISTS (SELECT FROM "{name}" AS line WHERE strpos(line::text, %s) > 0)', (text,)
                )
                if cursor.fetchone()[0]:
                    found.append(name)
            return found
    finally:
        connection.close()


def test_redis_has_no_key(after_every_fault: Running):
    """Neither the broker nor the limiter holds the key, in a name or in a value."""
    cluster = after_every_fault.cluster
    base = f"redis://:{cluster.state.secrets()['redis']}@127.0.0.1:{cluster.ports['redis']}"
    for database in (0, 1):
        with redis.Redis.from_url(f"{base}/{database}") as client:
            for name in client.scan_iter():
                assert MARKED_KEY.encode() not in name
                assert MARKED_KEY.encode() not in (client.dump(name) or b"")


def test_no_page_shows_the_key(after_every_fault: Running):
    """Neither Flower's replies nor Airflow's, task logs included, hold the key."""
    cluster = after_every_fault.cluster
    login = ("admin", cluster.state.secrets()["flower"])
    for path in ("api/tasks", "api/workers", "workers", "tasks", "broker"):
        response = requests.get(f"{cluster.flower_url}/{path}", auth=login, timeout=10)
        assert response.ok, path
        assert MARKED_KEY not in response.text
    api = cluster.api
    assert MARKED_KEY not in str(api.get("dags/~/dagRuns/~/taskInstances"))
    runs = "dags/stock_data_pipeline/dagRuns"
    for path, said in (
        (f"{runs}/{after_every_fault.rejected}/taskInstances/report/logs/1", "FAULT2-KEY"),
        (f"{runs}/{after_every_fault.last_run}/taskInstances/fetch_and_store/logs/1?map_index=0", "daily_quota"),
    ):
        log = str(api.get(path))
        assert said in log
        assert MARKED_KEY not in log
