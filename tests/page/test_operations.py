"""The runs, the quota, and what a person should look at, over ASGI from a real PostgreSQL and Redis."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from common.quota.quota import key_digest
from common.settings import SANDBOX_API_KEY
from common.values import OutcomeStatus
from tests.page.conftest import get
from tests.support.rows import RUN, outcome

FINDINGS = """
INSERT INTO quality_findings (
    check_name, severity, symbol, session, message, acknowledged_at, acknowledged_by, acknowledged_word, resolved_at
)
VALUES
    ('step', 'warning', 'IBM', '2026-10-01', 'a step', NULL, NULL, NULL, NULL),
    ('zero', 'error', 'IBM', '2026-10-02', 'a zero', now(), 'Ada', 'it was a halt', NULL),
    ('old', 'error', 'AAPL', '2026-10-02', 'gone', NULL, NULL, NULL, now())
"""
LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=5)


@pytest.fixture
def ledger(store):
    """A run with a symbol of each kind, one that has not ended, and one of another DAG."""
    store.save({}, [outcome("IBM"), outcome("NOPE", OutcomeStatus.FAILED, reason="unknown_symbol", api_calls=3)])
    store.save({}, [outcome("MSFT", OutcomeStatus.POSTPONED, reason="quota_wait", retry_at=LATER, api_calls=0)])
    store.save({}, [outcome("IBM", OutcomeStatus.PLANNED, run_id="history:manual__1+x/y", dataset="daily_bars")])
    store.save({}, [outcome("IBM", run_id="cli__2026", worker="worker-2")])


def test_runs(browser, ledger):
    """The newest first, each with how its symbols ended, and where it is in Airflow."""
    cli, history, quotes = get(browser, "/api/runs")["rows"]
    assert (cli["dag_id"], cli["link"]) == (None, None)
    assert (history["state"], history["ended_at"]) == ("running", None)
    assert history["link"] == "dags/stock_history/runs/manual__1%2Bx%2Fy"
    assert (quotes["run_id"], quotes["symbols"], quotes["stored"], quotes["failed"]) == (RUN, 3, 1, 1)
    assert (quotes["postponed"], quotes["state"]) == (1, "failed")


def test_outcomes_of_a_run(browser, ledger, market):
    """What became of each symbol, those of one status alone if that is asked, and where its task is."""
    market.query("UPDATE fetch_outcomes SET batch = 3 WHERE symbol = 'NOPE'")
    failed = get(browser, f"/api/runs/{RUN}/outcomes", status="failed")
    (line,) = failed["rows"]
    assert (failed["total"], line["symbol"], line["calls"]) == (1, "NOPE", 3)
    assert line["link"] == f"dags/stock_data_pipeline/runs/{RUN}/tasks/fetch_and_store/mapped/2"
    assert get(browser, f"/api/runs/{RUN}/outcomes", offset=2)["rows"][0]["symbol"] == "NOPE"
    assert browser.get("/api/runs/none/outcomes").status_code == 404


def test_a_probe_is_no_run(browser, store):
    """What --probe asked for leads nowhere, and the list stays that of the newest quotes' run."""
    store.save({}, [outcome("IBM"), outcome("NEVER", OutcomeStatus.FAILED, reason="unknown_symbol")])
    store.save({}, [outcome("IBM", run_id="probe__2026")])
    assert get(browser, "/api/runs")["rows"][0]["link"] is None
    assert {row[0] for row in get(browser, "/api/symbols")["rows"]} == {"NEVER", "IBM"}


def test_workers(browser, ledger):
    """How many symbols each one ended."""
    rows = get(browser, "/api/workers")["rows"]
    assert [(row["worker"], row["symbols"], row["failed"]) for row in rows] == [("worker-1", 3, 1), ("worker-2", 1, 0)]


def test_the_quota(browser, ledger, limiter):
    """What is used of each window, who waits and until when, and the calls of the last day."""
    with limiter.permit("one", max_wait_s=1):
        pass
    limiter.hold_back(60, "a test holds back")
    quota = get(browser, "/api/quota")
    assert [(window["name"], window["used"], window["limit"]) for window in quota["windows"]][1] == ("day", 1, 500)
    assert (quota["hold_reason"], quota["away"], quota["waiting"]["total"]) == ("a test holds back", None, 1)
    assert quota["waiting"]["rows"][0]["until"] == LATER.isoformat().replace("+00:00", "Z")
    assert (len(quota["hours"]), quota["hours"][-1]["calls"]) == (24, 5)
    assert key_digest(SecretStr(SANDBOX_API_KEY)) not in str(quota)


def test_the_quota_without_redis(browser, page, own, ledger):
    """With Redis away its part says so, and the ledger's part is there."""
    page.quota = type(page.quota)(SecretStr(own.server.url()), page.quota.quota, key_digest=page.key_digest)
    own.client.flushall()
    quota = get(browser, "/api/quota")
    assert quota["windows"] == []
    assert "ledger" in quota["away"]
    assert quota["waiting"]["total"] == 1


def test_gaps_findings_and_refused_replies(browser, market):
    """What a person should look at; a reply of hostile HTML is text."""
    market.query("INSERT INTO bar_gaps VALUES ('IBM', '2026-10-01', '2026-10-02', 2, 'open', 0, NULL, now())")
    market.query(
        "INSERT INTO quarantine (run_id, symbol, function, reason, message, payload, received_at, dataset) "
        "VALUES ('r', 'IBM', 'GLOBAL_QUOTE', 'missing_root', 'no data', %s, now(), 'quotes')",
        "<script>alert(1)</script>" * 10_000,
    )
    assert get(browser, "/api/gaps", state="open", symbol="ibm")["rows"][0]["sessions"] == 2
    assert get(browser, "/api/gaps", state="absent") == {"total": 0, "rows": []}
    assert get(browser, "/api/findings")["total"] == 0
    (refused,) = get(browser, "/api/quarantine")["rows"]
    assert (refused["bytes"], refused["replayable"]) == (250_000, True)
    answer = browser.get(f"/api/quarantine/{refused['id']}")
    assert answer.headers["content-type"] == "application/json"
    assert (len(answer.json()["payload"]), answer.json()["is_cut"]) == (64_000, True)
    assert browser.get("/api/quarantine/9").status_code == 404


def test_findings(browser, market):
    """The gravest first, each with its state and what a person said of it."""
    market.query(FINDINGS)
    rows = get(browser, "/api/findings", symbol="IBM")["rows"]
    assert [(row["check"], row["state"], row["word"]) for row in rows] == [
        ("zero", "acknowledged", "it was a halt"),
        ("step", "open", None),
    ]
    assert get(browser, "/api/findings", state="resolved")["total"] == 1
