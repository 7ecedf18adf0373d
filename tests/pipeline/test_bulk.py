"""A batch whose symbols share calls, with the real limiter, client and store, against the sandbox."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta

import pytest

from sandbox.running import RunningSandbox
from tests.support.batches import RUN, by_symbol, planned, symbols
from tests.support.bulk import ALONE, BULK, PREMIUM, functions, spent
from tests.support.market import Market
from tests.support.wiring import wired
from workers.pipeline.batch import BatchEnd
from workers.pipeline.run import plan_run
from workers.wiring import Wiring

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

STORED = "SELECT count(*) FROM stock_quotes"
#: Symbols of five exchanges that a bulk call does not cover.
ABROAD = ["TSCO.LON", "SHOP.TRT", "MBG.DEX", "RELIANCE.BSE", "600104.SHH"]


@pytest.fixture
def premium(environment: dict[str, str]) -> dict[str, str]:
    """A worker's environment on a premium plan."""
    return environment | PREMIUM


@pytest.fixture
def wiring(premium: dict[str, str]) -> Iterator[Wiring]:
    with wired(premium) as opened:
        yield opened


def refuse_bulk(sandbox: RunningSandbox) -> None:
    """Let the sandbox answer as to a key that may do everything but what is premium."""
    sandbox.change("plan", plan="free", quota="unlimited")


def test_a_hundred_symbols_share_a_call(wiring: Wiring, sandbox: RunningSandbox, market: Market):
    """US symbols share calls; those that they do not serve are asked for alone, each with its own outcome."""
    names = [*symbols(250), *ABROAD, "NOSUCH1", "NOSUCH2", "FAULT1-NAN"]
    end = planned(wiring, *names).run(RUN, 1)
    assert functions(sandbox) == {BULK: 3, ALONE: 8}
    assert sorted(entry.symbol for entry in sandbox.entries() if entry.function == ALONE) == sorted(names[250:])
    reasons = by_symbol(end)
    assert (reasons.pop("NOSUCH1"), reasons.pop("NOSUCH2")) == ("unknown_symbol", "unknown_symbol")
    assert set(reasons.values()) == {"inserted"}
    assert end.counts == "256 stored, 2 failed"
    assert spent(end.outcomes) == 11
    assert market.query(STORED) == [(256,)]
    assert market.violations() == []


def test_a_refused_row_keeps_its_reason(wiring: Wiring, sandbox: RunningSandbox):
    """A row that is refused stands in quarantine for its symbol, whatever a call for that brings."""
    end = planned(wiring, "IBM", "FAULT1-NAN", "FAULT-DASH-FIELD").run(RUN, 1)
    assert by_symbol(end) == {"IBM": "inserted", "FAULT1-NAN": "inserted", "FAULT-DASH-FIELD": "inserted"}
    [kept] = wiring.store.quarantine.waiting()
    assert (kept.symbol, kept.function, kept.reason) == ("FAULT1-NAN", BULK, "not_a_number")
    assert kept.message == "close='NaN' is not a plain decimal number"
    assert ("FAULT1-NAN", "NaN") in [(row["symbol"], row["close"]) for row in json.loads(kept.payload)["data"]]


@pytest.mark.parametrize("fault", ["GARBAGE", "NULL", "CUT-JSON"])
def test_an_unreadable_reply_serves_none(premium: dict[str, str], sandbox: RunningSandbox, fault: str):
    """A reply that cannot be used is kept once, no further call is shared, and each symbol is asked for alone."""
    names = [f"FAULT1-{fault}", *symbols(249)]
    with wired(premium, BATCH_CONCURRENCY="1") as wiring:
        end = planned(wiring, *names).run(RUN, 1)
        assert [kept.function for kept in wiring.store.quarantine.waiting()] == [BULK]
    assert end.counts == "250 stored"
    assert functions(sandbox) == {BULK: 1, ALONE: 250}
    assert spent(end.outcomes) == 251


def test_unentitled_symbols_are_asked_alone(
    wiring: Wiring, sandbox: RunningSandbox, market: Market, caplog: pytest.LogCaptureFixture
):
    """The premium notice, samples beside it, fails no symbol and stores no sample; it is heard and said once."""
    refuse_bulk(sandbox)
    with caplog.at_level(logging.WARNING):
        end = planned(wiring, *symbols(250)).run(RUN, 1)
    assert end.counts == "250 stored"
    assert functions(sandbox) == {BULK: 1, ALONE: 250}
    assert spent(end.outcomes) == 251
    assert market.query("SELECT count(*) FROM stock_quotes WHERE symbol NOT LIKE 'S___'") == [(0,)]
    assert sum(BULK in message for message in caplog.messages) == 1
    wiring.store.ledger.plan_run("next", symbols(250), batch_size=250)
    wiring.batch(budget_s=60).run("next", 1)
    assert functions(sandbox) == {BULK: 1, ALONE: 500}


def test_week_later_it_is_asked_again(premium: dict[str, str], sandbox: RunningSandbox, market: Market):
    """After a week one call asks again, and where it is served, calls are shared from then on."""
    refuse_bulk(sandbox)
    with wired(premium) as wiring:
        planned(wiring, *symbols(10)).run(RUN, 1)
    sandbox.change("plan", plan="unlimited")
    runs = []
    for run_id, days in ("in time", 6), ("later", 1), ("then", 0):
        market.query("UPDATE refused_features SET refused_at = refused_at - %s", timedelta(days=days))
        sandbox.change("reset")
        with wired(premium) as wiring:
            wiring.store.ledger.plan_run(run_id, symbols(10), batch_size=10)
            wiring.batch(budget_s=60).run(run_id, 1)
        runs.append(functions(sandbox))
    assert runs == [{ALONE: 10}, {BULK: 1}, {BULK: 1}]
    assert market.query("SELECT count(*) FROM refused_features") == [(0,)]


def test_plan_explains_calls_not_shared(wiring: Wiring, sandbox: RunningSandbox):
    """After a refusal the plan counts a call for each symbol, and has a sentence on it."""
    assert "spend 1 call in 1 batches of 100;" in plan_run(wiring, RUN, [*symbols(10)], force=False).summary
    wiring.entitlements.refuse(BULK, "premium")
    plan = plan_run(wiring, "next", [*symbols(10)], force=False)
    assert plan.summary.startswith("10 symbols: spend 10 calls;")
    assert f"the provider said that {BULK} is not for the key's plan" in plan.summary


@pytest.mark.parametrize("changes", [{"ALPHA_VANTAGE_PLAN": "free"}, {"BULK_QUOTES": "off"}])
def test_free_plan_never_asks_in_bulk(premium: dict[str, str], sandbox: RunningSandbox, changes: dict[str, str]):
    """Without a premium plan, or where a person says so, no call is spent on what it may not do."""
    with wired(premium, **changes) as wiring:
        assert planned(wiring, *symbols(10)).run(RUN, 1).counts == "10 stored"
    assert functions(sandbox) == {ALONE: 10}


def test_two_refusals_have_two_reasons(wiring: Wiring, sandbox: RunningSandbox):
    """Where a symbol's own reply is refused too, that is its outcome, and both are kept."""
    end = planned(wiring, "FAULT-NAN", *symbols(3)).run(RUN, 1)
    assert (end.counts, by_symbol(end)["FAULT-NAN"]) == ("3 stored, 1 quarantined", "not_a_number")
    assert spent(end.outcomes) == len(sandbox.entries()) == 2
    kept = [(reply.symbol, reply.function) for reply in wiring.store.quarantine.waiting()]
    assert kept == [("FAULT-NAN", BULK), ("FAULT-NAN", ALONE)]


@pytest.mark.usefixtures("punctual")
def test_ten_thousand_symbols_are_hundred_calls(wiring: Wiring, sandbox: RunningSandbox, market: Market):
    """The plan says a hundred calls, the batches make a hundred, and the next run has nothing left to ask."""
    names = [f"A{number:05}" for number in range(10_000)]
    plan = plan_run(wiring, RUN, names, force=False)
    assert "spend 100 calls in" in plan.summary
    ends: list[BatchEnd] = [wiring.batch(budget_s=60).run(RUN, number) for number in plan.batch_numbers]
    assert {end.counts.partition(" ")[2] for end in ends} == {"stored"}
    assert functions(sandbox) == {BULK: 100}
    assert spent([outcome for end in ends for outcome in end.outcomes]) == 100
    assert market.query(STORED) == [(10_000,)]
    assert "spend 0 calls; skip 10000" in plan_run(wiring, "next", names, force=False).summary
