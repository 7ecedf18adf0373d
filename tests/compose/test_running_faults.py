"""What a run survives: killed workers, restarted servers."""

from collections import Counter

import pytest

from tests.compose.test_running import ROOMY
from tests.support.stack import Stack, docker

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]


def hurry(stack: Stack) -> None:
    """In this clone, requeue after 60 s what a killed worker had received but not begun; else it takes ten minutes."""
    settings = stack.folder / "config" / "airflow.env"
    text = settings.read_text("utf-8").replace("TASK_QUEUED_TIMEOUT=600", "TASK_QUEUED_TIMEOUT=60")
    text = text.replace("TASK_QUEUED_TIMEOUT_CHECK_INTERVAL=30", "TASK_QUEUED_TIMEOUT_CHECK_INTERVAL=10")
    settings.write_text(text, encoding="utf-8")


def test_a_run_survives_kills_and_restarts(stack: Stack):
    """A worker killed, Redis, PostgreSQL and the scheduler restarted mid-run: nothing lost or doubled, quota kept."""
    hurry(stack)
    stack.set_dotenv(**ROOMY, TASK_RETRY_DELAY="2", TASK_RETRY_MAX_DELAY="4")
    stack.up("--scale", "airflow-worker=3", timeout_s=500)
    symbols = [f"FAULT{number}" for number in range(120)]
    run_id = stack.start_run(symbols)
    stack.wait_for_stored(run_id, 10)
    docker("kill", stack.ps("airflow-worker")[0]["ID"])
    for stored, service in ((25, "redis"), (45, "postgres"), (65, "airflow-scheduler")):
        stack.wait_for_stored(run_id, stored)
        docker("restart", "--time", "10", stack.ps(service)[0]["ID"])
    assert stack.finish_run(run_id, timeout_s=300) == "success"

    outcomes = stack.outcomes(run_id)
    assert Counter(status for status, _ in outcomes.values()) == {"stored": len(symbols)}
    rows = stack.query("SELECT symbol, count(*) FROM stock_quotes WHERE symbol LIKE 'FAULT%' GROUP BY symbol")
    assert dict(rows) == dict.fromkeys(symbols, "1")
    calls = Counter(call["symbol"] for call in stack.calls("FAULT"))
    assert set(calls) == set(symbols)
    assert sum(calls.values()) <= len(symbols) + 3 * 4 + 8  # what was under way when something died: 3 workers, 4 slots
    assert all(key["within_quota"] for key in stack.usage().values())
