"""--probe: one symbol through each step of a run, with their times, and where an error stopped it."""

import io
import json
from typing import Any

import pytest

from common.command_line import ExitCode
from local.ports import free_port
from sandbox.running import RunningSandbox
from tests.support.market import Market
from workers.fetch_and_store import main
from workers.probe import STEPS, Stopwatch


@pytest.fixture
def probe(environment: dict[str, str], market: Market, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Probe a symbol with a worker's environment and these changes; return the exit code and the document."""

    def run(symbol: str, *words: str, **changes: str) -> tuple[int, dict[str, Any]]:
        for name, value in {**environment, "MARKET_READER_PASSWORD": market.password, **changes}.items():
            monkeypatch.setenv(name, value)
        output = io.StringIO()
        code = main(["--probe", symbol, "--json", *words], output)
        return code, json.loads(output.getvalue())

    return run


def test_probe_goes_through_each_step(probe: Any, market: Market, sandbox: RunningSandbox):
    """A symbol that is well passes every step, with one call, and its row and outcome are there."""
    code, document = probe("IBM")
    assert (code, document["status"], document["stopped_at"]) == (ExitCode.DONE, "stored", None)
    assert [step["step"] for step in document["steps"]] == list(STEPS)
    assert all(step["done"] and step["seconds"] > 0 for step in document["steps"])
    assert len(sandbox.entries()) == 1
    assert market.query("SELECT symbol FROM stock_quotes") == [("IBM",)]
    assert market.query("SELECT status FROM fetch_outcomes WHERE run_id LIKE 'probe%%'") == [("stored",)]


@pytest.mark.parametrize(
    ("symbol", "changes", "stopped", "code"),
    [
        ("IBM", {"API_TIMEOUT": "soon"}, "settings", ExitCode.ACT_FIRST),
        ("IBM", {"ALERT_URLS": "slack://x"}, "settings", ExitCode.ACT_FIRST),
        ("IBM", {"MARKET_DATABASE_URL": "postgresql://market_app@127.0.0.1:9/x"}, "database", ExitCode.FAILED),
        ("IBM", {"LIMITER_REDIS_URL": f"redis://127.0.0.1:{free_port()}/1"}, "redis", ExitCode.FAILED),
        ("IBM", {"SANDBOX_URL": "http://127.0.0.1:9"}, "call", ExitCode.FAILED),
        ("FAULT-KEY", {}, "call", ExitCode.ACT_FIRST),
        ("FAULT-RESET-BEFORE", {}, "call", ExitCode.FAILED),
        ("IBM", {"MARKET_READER_PASSWORD": "wrong"}, "read back", ExitCode.FAILED),
    ],
)
def test_probe_says_where_it_stopped(probe: Any, symbol: str, changes: dict[str, str], stopped: str, code: ExitCode):
    """Whatever is wrong, the step is named; those before it are done, those behind it were not begun."""
    ended, document = probe(symbol, **changes)
    assert (document["stopped_at"], ended) == (stopped, code)
    undone = [step["step"] for step in document["steps"] if not step["done"]]
    assert undone[0] == stopped or stopped == "call"
    assert document["reason"]


def test_probe_waits_for_no_quota(probe: Any):
    """With the quota used up the probe stops at the permit, and says not now."""
    assert probe("IBM", ALPHA_VANTAGE_QUOTA="1/day")[0] == ExitCode.DONE
    code, document = probe("AAPL", ALPHA_VANTAGE_QUOTA="1/day")
    assert (document["stopped_at"], code) == ("permit", ExitCode.NOT_NOW)


def test_probe_with_a_key(probe: Any, sandbox: RunningSandbox):
    """With a key, too, a reader finds the row in the database that it was stored in."""
    code, document = probe("IBM", ALPHA_VANTAGE_API_KEY="MARKEDKEY1", ALPHA_VANTAGE_BASE_URL=sandbox.url)
    assert (code, document["stopped_at"], document["invented"]) == (ExitCode.DONE, None, False)
    assert "MARKEDKEY1" not in str(document)


def test_probe_of_other_datasets(probe: Any):
    """Bars go the same way."""
    code, document = probe("IBM", "--dataset", "daily_bars")
    assert (code, document["stopped_at"]) == (ExitCode.DONE, None)


def test_steps_within_steps_count_once():
    """The time of a step that runs within another is its own alone."""
    watch = Stopwatch()
    with watch.step("call"), watch.step("permit"):
        sum(range(200_000))
    assert 0 < watch.seconds["call"] < watch.seconds["permit"]
    assert watch.current == ""


def test_older_row_is_not_read_back(probe: Any, market: Market):
    """Where a reader sees only an older row than the one that was stored, the probe stops there, and says both."""
    assert probe("IBM")[0] == ExitCode.DONE
    market.query("UPDATE stock_quotes SET latest_trading_day = '2020-01-02'")
    market.query(
        "CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER drop_rows BEFORE INSERT OR UPDATE ON stock_quotes FOR EACH ROW EXECUTE FUNCTION drop_row()"
    )
    code, document = probe("IBM")
    assert (document["stopped_at"], code) == ("read back", ExitCode.ACT_FIRST)
    assert "a reader sees 2020-01-02" in document["detail"]
