"""A run around its symbols, and the command line, on real services."""

import io
import json
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from common.command_line import ExitCode
from common.errors import ConfigurationError, LimiterRedisUnfit, StoreNotReady, StoreUnavailable, UnknownSymbol
from common.settings import PipelineSettings
from common.values import Outcome, OutcomeStatus, Symbol
from sandbox.running import RunningSandbox
from tests.support.market import Market
from tests.support.wiring import wired
from workers.fetch_and_store import main
from workers.pipeline.environment import validate_environment
from workers.pipeline.report import Report, close_left_over_runs, report_run
from workers.pipeline.run import plan_run
from workers.wiring import Wiring

RUN = "manual__1"
ROOT = Path(__file__).resolve().parents[2]


def test_environment_is_checked_before_call(wiring: Wiring, sandbox: RunningSandbox):
    """With everything in place the check passes, and asks the provider nothing."""
    validate_environment(wiring, None)
    assert sandbox.entries() == []


def test_a_database_without_tables_is_named(environment: dict[str, str], market: Market):
    """An unmigrated database fails the check with the command that mends it."""
    market.query("DELETE FROM alembic_version")
    with wired(environment) as wiring, pytest.raises(StoreNotReady, match=r"common\.migrate"):
        validate_environment(wiring, None)


def test_an_unreachable_database_is_named(environment: dict[str, str]):
    """A database that does not answer is an error that can heal."""
    dead = "postgresql://market_app:secret@127.0.0.1:9/market"
    with (
        Wiring(PipelineSettings.from_environment(environment | {"MARKET_DATABASE_URL": dead})) as wiring,
        pytest.raises(StoreUnavailable) as raised,
    ):
        validate_environment(wiring, None)
    assert "secret" not in str(raised.value)


def test_redis_that_may_evict_is_refused(environment: dict[str, str]):
    """A Redis that may drop the quota's keys fails the check with the setting that mends it."""
    with redis.Redis.from_url(environment["LIMITER_REDIS_URL"]) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            with wired(environment) as wiring, pytest.raises(LimiterRedisUnfit, match="noeviction"):
                validate_environment(wiring, None)
        finally:
            client.config_set("maxmemory-policy", "noeviction")


def test_a_plan_is_written_down(wiring: Wiring):
    """The plan holds each symbol once, in upper case and by name, and the ledger knows them all."""
    assert plan_run(wiring, RUN, ["ibm", "AAPL", " ", "IBM"], force=False).fetch == (Symbol("AAPL"), Symbol("IBM"))
    assert {line.symbol: line.status for line in wiring.store.ledger.outcomes(RUN)} == {
        Symbol("IBM"): OutcomeStatus.PLANNED,
        Symbol("AAPL"): OutcomeStatus.PLANNED,
    }


@pytest.mark.usefixtures("punctual")
@pytest.mark.parametrize("force", [False, True])
def test_a_misspelt_symbol_fails_alone(wiring: Wiring, sandbox: RunningSandbox, market: Market, force: bool):
    """What can be no symbol has its line in the ledger and no call; the others of the run are fetched."""
    misspelt = ["A B", "stra\u00dfe", "x" * 500, "A\nB", "[red]", "\ud800"]
    plan = plan_run(wiring, RUN, [*misspelt, "IBM"], force=force)
    assert plan.fetch == ("IBM",)
    assert "ask nothing for 6 that can be no symbol (A B" in plan.summary
    assert wiring.batch(budget_s=60).run(RUN, 1).counts == "1 stored"
    report = report_run(wiring, RUN)
    assert Counter(line.reason for line in report.outcomes) == {"not_a_symbol": 6, "inserted": 1}
    assert len(sandbox.entries()) == 1
    assert market.violations() == []


ODD = ["M&M.BSE", "BC/PB", "-P-A", "ACWV:BAT", "NXT(EXP20091224)", "^GSPC", "$SPX", "AAC+", "AAC=", "AAC*", "A'B"]
ODD += ["AAC#", "A%41", "A~", "A!", "A@B", ".INX", "600519", "A" * 32]


def test_every_spelling_reaches_the_provider(wiring: Wiring, sandbox: RunningSandbox, market: Market):
    """Whatever stands in a ticker arrives as it is, and its quote is stored under it."""
    wiring.store.ledger.plan_run(RUN, [Symbol(name) for name in ODD], batch_size=len(ODD))
    assert wiring.batch(budget_s=60).run(RUN, 1).counts == f"{len(ODD)} stored"
    assert sorted(entry.symbol for entry in sandbox.entries()) == sorted(ODD)
    assert [quote.symbol for quote in wiring.store.quotes()] == sorted(ODD)
    assert market.violations() == []


def test_list_without_symbol_stops_run(wiring: Wiring):
    """Where nothing can be a symbol the run stops at its check, before anything is planned."""
    with pytest.raises(ConfigurationError, match="is not a stock symbol"):
        validate_environment(wiring, ["A B", "\u00df"])


def test_the_configured_symbols_are_the_default(environment: dict[str, str]):
    """Without symbols of its own a run takes those of STOCK_SYMBOLS."""
    with wired(environment, STOCK_SYMBOLS="TSCO.LON BRK-B") as wiring:
        assert plan_run(wiring, RUN, None, force=False).fetch == (Symbol("BRK-B"), Symbol("TSCO.LON"))


def test_large_run_is_planned_in_batches(environment: dict[str, str]):
    """Beyond MAX_MAPPED_TASKS symbols share tasks, and each batch finds its symbols in the ledger, stalest first."""
    with wired(environment, MAX_MAPPED_TASKS="2") as wiring:
        plan = plan_run(wiring, RUN, ["C", "A", "B"], force=False)
        assert list(plan.batch_numbers) == [1, 2]
        assert "in 2 batches of 2" in plan.summary
        assert list(wiring.store.ledger.claim_batch(RUN, 1, "w")) == ["A", "B"]
        assert list(wiring.store.ledger.claim_batch(RUN, 2, "w")) == ["C"]
        assert wiring.store.ledger.single_symbol(RUN, 2) is None


def test_planning_again_batches_what_is_left(environment: dict[str, str]):
    """A second pass of the plan puts what is left into batches of its own and leaves alone what is stored."""
    with wired(environment, SYMBOLS_PER_TASK="2") as wiring:
        plan_run(wiring, RUN, ["A", "B", "C"], force=False)
        wiring.job.run(RUN, Symbol("A"))
        assert list(plan_run(wiring, RUN, ["A", "B", "C"], force=False).batch_numbers) == [1]
        assert list(wiring.store.ledger.claim_batch(RUN, 1, "w")) == ["B", "C"]


def test_planning_again_numbers_what_is_left(wiring: Wiring):
    """With a task for each symbol, too, a number stands for what the last plan gave it."""
    plan_run(wiring, RUN, ["A", "B", "C"], force=False)
    assert wiring.store.ledger.single_symbol(RUN, 1) == "A"
    wiring.job.run(RUN, Symbol("A"))
    assert wiring.store.ledger.single_symbol(RUN, 1) == "A"
    assert list(plan_run(wiring, RUN, ["A", "B", "C"], force=False).batch_numbers) == [1, 2]
    assert [wiring.store.ledger.single_symbol(RUN, number) for number in (1, 2, 3)] == ["B", "C", None]


@pytest.mark.usefixtures("punctual")
def test_settled_during_planning_keeps_its_task(wiring: Wiring):
    """A symbol that is stored after the plan has looked is in the new plan's batch, whose task finds it done."""
    plan_run(wiring, RUN, ["B"], force=False)
    wiring.job.run(RUN, Symbol("B"))
    wiring.store.ledger.plan_run(RUN, [Symbol("A"), Symbol("B")], batch_size=1)
    assert wiring.store.ledger.single_symbol(RUN, 2) == "B"
    assert {line.symbol: line.status for line in wiring.store.ledger.outcomes(RUN)} == {
        Symbol("A"): OutcomeStatus.PLANNED,
        Symbol("B"): OutcomeStatus.STORED,
    }


@pytest.mark.usefixtures("punctual")
def test_the_report_names_each_failure(wiring: Wiring):
    """What failed stands first, with its reason; a symbol whose task never came is closed, and counts as failed too."""
    plan_run(wiring, RUN, ["IBM", "NOSUCH1", "NEVER"], force=False)
    wiring.job.run(RUN, Symbol("IBM"))
    with pytest.raises(UnknownSymbol):
        wiring.job.run(RUN, Symbol("NOSUCH1"))
    report = report_run(wiring, RUN)
    assert report.failed_too_many
    told = report.as_dict()
    assert (told["counts"], told["failed"]) == ({"failed": 2, "stored": 1}, ["NEVER", "NOSUCH1"])
    lines = list(report.lines())
    assert [line.split()[0] for line in lines[:3]] == ["NEVER", "NOSUCH1", "IBM"]
    assert "unknown_symbol" in report.summary
    assert "NEVER (not_attempted): No task took it up" in report.summary


@pytest.mark.usefixtures("punctual")
def test_what_report_closes_can_be_done(wiring: Wiring):
    """A symbol in work is closed as interrupted, one that nobody took up as not attempted; a late task still counts."""
    plan_run(wiring, RUN, ["IBM", "AAPL", "MSFT"], force=False)
    wiring.store.ledger.start(RUN, Symbol("IBM"), "worker-1")
    wiring.job.run(RUN, Symbol("MSFT"))
    reasons = {outcome.symbol: outcome.reason for outcome in report_run(wiring, RUN).outcomes}
    assert reasons == {Symbol("IBM"): "interrupted", Symbol("AAPL"): "not_attempted", Symbol("MSFT"): "inserted"}
    for symbol in ("IBM", "AAPL"):
        wiring.job.run(RUN, Symbol(symbol))
    assert not report_run(wiring, RUN).failed_too_many


@pytest.mark.parametrize("reason", ["not_attempted", "interrupted"])
def test_no_ratio_bears_symbol_left_open(reason: str):
    """A run that left a symbol open is red even where every failure is borne."""
    outcomes = [Outcome(RUN, Symbol("IBM"), OutcomeStatus.FAILED, reason)]
    assert Report(outcomes, 1.0).failed_too_many


def test_the_next_plan_closes_older_runs(wiring: Wiring, caplog: pytest.LogCaptureFixture):
    """What an ended run left open gets an outcome; a run at work and a young one of the command line are left alone."""
    for run_id in ("killed", "at work", "cli__now", RUN):
        wiring.store.ledger.plan_run(run_id, [Symbol("IBM"), Symbol("AAPL")])
    close_left_over_runs(wiring, RUN, lambda run_id: run_id == "at work")
    assert {outcome.reason for outcome in wiring.store.ledger.outcomes("killed")} == {"not_attempted"}
    assert wiring.store.ledger.open_runs(RUN) == ["at work"]
    assert {outcome.status for outcome in wiring.store.ledger.outcomes("cli__now")} == {OutcomeStatus.PLANNED}
    assert "killed had left 2 symbols without an outcome" in caplog.text


def test_run_without_plan_is_red():
    """When the check or the plan failed there is nothing to report, and that is no success."""
    report = Report([], 1.0)
    assert report.failed_too_many
    assert "validate_environment" in report.summary


@pytest.mark.parametrize(("ratio", "red"), [(0.0, True), (0.24, True), (0.25, False), (1.0, False)])
def test_the_failure_ratio_decides_the_colour(ratio: float, red: bool):
    """One failure of four is red unless MAX_FAILURE_RATIO bears a quarter."""
    statuses = [OutcomeStatus.FAILED, OutcomeStatus.STORED, OutcomeStatus.SKIPPED, OutcomeStatus.POSTPONED]
    outcomes = [Outcome(RUN, Symbol(f"S{n}"), status) for n, status in enumerate(statuses)]
    assert Report(outcomes, ratio).failed_too_many is red


def cli(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], *arguments: str) -> tuple[int, str]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    output = io.StringIO()
    return main(arguments, output), output.getvalue()


def test_one_symbol_from_the_command_line(monkeypatch, environment, sandbox: RunningSandbox):
    """--symbol fetches, stores and prints the row, and says that it is invented where it is."""
    code, text = cli(monkeypatch, environment, "--symbol", "aapl")
    assert code == 0
    rows = dict(line.split(maxsplit=1) for line in text.splitlines() if line.split()[0] in {"symbol", "price"})
    assert rows["symbol"] == "AAPL"
    assert "invented by the sandbox" in text
    assert len(sandbox.entries()) == 1


def test_the_row_as_json(monkeypatch, environment):
    """--json prints the same row for scripts, prices as exact text."""
    code, text = cli(monkeypatch, environment, "--symbol", "AAPL", "--json")
    row = json.loads(text)
    assert code == 0
    assert row["latest_trading_day"] == "2026-10-05"
    assert isinstance(row["price"], str)


@pytest.mark.parametrize(
    ("symbol", "words"),
    [("NOSUCH1", "unknown_symbol: NOSUCH1"), ("A B", "configuration: 'A B' is not a stock symbol")],
)
def test_a_failure_is_one_line(monkeypatch, environment, capsys, symbol: str, words: str):
    """A failure is said on standard error in one line that starts with its reason."""
    wired(environment).close()
    code, text = cli(monkeypatch, environment, "--symbol", symbol)
    error = capsys.readouterr().err
    assert (code, text) == (ExitCode.USAGE if " " in symbol else ExitCode.FAILED, "")
    assert error.startswith(words)
    assert error.count("\n") == 1


def as_json(monkeypatch, environment: dict[str, str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code, text = cli(monkeypatch, environment, *arguments, "--json")
    return code, json.loads(text)


@pytest.mark.parametrize("quota", [("1/30s", "postpone"), ("1/day", "postpone"), ("1/day", "wait")])
@pytest.mark.parametrize("symbol", ["IBM", "AAPL"])
def test_no_call_left_is_not_done(monkeypatch, environment, capsys, quota: tuple[str, str], symbol: str):
    """With the quota used up nothing is said to be done: no row, the time to come back, an exit code of its own."""
    windows, waits = quota
    environment |= {"ALPHA_VANTAGE_QUOTA": windows, "QUOTA_WAIT_IN_PLACE": "0", "ON_DAILY_QUOTA": waits}
    assert cli(monkeypatch, environment, "--symbol", "IBM")[0] == ExitCode.DONE
    code, text = cli(monkeypatch, environment, "--symbol", symbol)
    assert (code, text) == (ExitCode.NOT_NOW, "")
    assert re.search(r"Try again at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\.\n$", capsys.readouterr().err)
    code, outcome = as_json(monkeypatch, environment, "--symbol", symbol)
    assert (code, outcome["symbol"], outcome["status"]) == (ExitCode.NOT_NOW, symbol, "postponed")
    assert datetime.fromisoformat(outcome["retry_at"]) > datetime.now(UTC)
    assert "price" not in outcome
    with wired(environment) as wiring:
        assert wiring.store.ledger.outcomes(outcome["run_id"])[0].status == OutcomeStatus.POSTPONED
        assert wiring.limiter.usage().waiting == wiring.limiter.usage().deferred == 0


#: What the provider does, and how the command ends: its exit code, status and reason.
ENDS = {
    "FAULT-NEGATIVE": (ExitCode.QUARANTINED, "quarantined", "negative"),
    "FAULT-HTTP500": (ExitCode.FAILED, "failed", "provider_unavailable"),
    "FAULT-RESET-BEFORE": (ExitCode.FAILED, "failed", "network"),
    "FAULT-KEY": (ExitCode.ACT_FIRST, "failed", "api_key"),
    "NOSUCH1": (ExitCode.FAILED, "failed", "unknown_symbol"),
    "FAULT-DAY": (ExitCode.NOT_NOW, "postponed", "quota"),  # the last: it holds everybody back
}


def test_each_outcome_is_told_apart(monkeypatch, environment, capsys):
    """Inserted and unchanged are told apart, and each failure has its code, status and reason, for a script too."""
    for reason in ("inserted", "unchanged"):
        code, outcome = as_json(monkeypatch, environment, "--symbol", "IBM")
        assert (code, outcome["status"], outcome["reason"]) == (ExitCode.DONE, "stored", reason)
    for symbol, expected in ENDS.items():
        code, outcome = as_json(monkeypatch, environment | {"API_ATTEMPTS": "1"}, "--symbol", symbol)
        assert (code, outcome["status"], outcome["reason"]) == expected
        assert outcome["detail"] in capsys.readouterr().err


def test_unusable_setting_is_a_document(monkeypatch, environment):
    """--json prints a document even where the settings cannot be read, and the health check names them."""
    broken = environment | {"API_TIMEOUT": "soon"}
    for arguments in (["--symbol", "IBM"], ["--quota"]):
        code, outcome = as_json(monkeypatch, broken, *arguments)
        assert (code, outcome["status"], outcome["reason"]) == (ExitCode.ACT_FIRST, "failed", "configuration")
    code, report = as_json(monkeypatch, broken, "--health-check")
    assert (code, report["healthy"], report["checks"][0]["name"]) == (ExitCode.FAILED, False, "settings")


@pytest.mark.parametrize(("name", "value"), [("TASK_RETRIES", "abc"), ("STOCK_SCHEDULE", "now and then")])
def test_undeclarable_dag_is_ill(monkeypatch, environment, name: str, value: str):
    """A setting that only the DAG reads makes the health check fail, with the setting's name."""
    wired(environment).close()
    code, report = as_json(monkeypatch, environment | {name: value}, "--health-check")
    ill = [check for check in report["checks"] if not check["healthy"]]
    assert (code, [check["name"] for check in ill]) == (ExitCode.FAILED, ["schedule"])
    assert f"{name}={value!r}" in ill[0]["detail"]


def test_all_is_healthy(monkeypatch, environment, sandbox: RunningSandbox):
    """--health-check names each dependency with its state and latency, exits 0 and spends no call, on a fresh
    installation too.
    """
    code, text = cli(monkeypatch, environment, "--health-check")
    assert code == 0, text
    assert [line.split()[:2] for line in text.splitlines()] == [
        [name, "ok"]
        for name in ("settings", "schedule", "database", "migrations", "redis", "limiter", "api", "messages")
    ]
    assert sandbox.entries() == []


def test_what_is_ill_is_named(monkeypatch, environment):
    """With PostgreSQL and the API away their checks fail with the reason, the others go on, and the exit code is 1."""
    wired(environment).close()
    away = {"MARKET_DATABASE_URL": "postgresql://market_app:pw@127.0.0.1:9/x", "SANDBOX_URL": "http://127.0.0.1:9"}
    code, text = cli(monkeypatch, environment | away, "--health-check", "--json")
    report = json.loads(text)
    ill = {check["name"] for check in report["checks"] if not check["healthy"]}
    assert (code, report["healthy"], ill) == (1, False, {"database", "migrations", "api"})


def test_the_quota_is_shown(monkeypatch, environment):
    """--quota shows what is used of each window, before the first call too."""
    code, text = cli(monkeypatch, environment, "--quota")
    assert (code, text.splitlines()[1]) == (0, "0 of 500/day used")
    assert cli(monkeypatch, environment, "--symbol", "IBM")[0] == 0
    code, text = cli(monkeypatch, environment, "--quota")
    assert code == 0
    assert "1 of 500/day used" in text
    code, text = cli(monkeypatch, environment, "--quota", "--json")
    assert json.loads(text)["windows"][1]["used"] == 1


@pytest.mark.parametrize("arguments", [[], ["--symbol"], ["--symbol", "A", "--quota"], ["--nonsense"]])
def test_wrong_usage_exits_2(arguments: list[str], capsys):
    """Unknown, missing and contradicting options are refused with the usage."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_closed_pipe_is_no_traceback(environment):
    """``python -m workers.fetch_and_store`` works, and a reader that has gone ends it quietly."""
    command = [sys.executable, "-m", "workers.fetch_and_store", "--health-check"]
    process = subprocess.Popen(
        command, cwd=ROOT, env={"PATH": "/usr/bin:/bin", **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    _, error = process.communicate(timeout=60)
    assert b"Traceback" not in error
    assert process.returncode == 1


def test_report_of_large_run_stays_short():
    """Of ten thousand symbols the table shows the failures and some others, and says where the rest is."""
    outcomes = [Outcome(RUN, Symbol(f"S{number}"), OutcomeStatus.STORED) for number in range(10_000)]
    lines = list(Report([*outcomes, Outcome(RUN, Symbol("Z"), OutcomeStatus.FAILED, "network")], 0).lines())
    assert lines[0].startswith("Z ")
    assert lines[-2] == "… and 9701 more: the table fetch_outcomes has every symbol of the run."
    assert len(lines) == 302
