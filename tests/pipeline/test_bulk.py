"""A batch whose symbols share calls, with the real limiter, client and store, against the sandbox."""

import json
import logging
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest

from common.errors import ApiKeyRejected
from common.quota.limiter import OUTAGE
from common.values import Outcome
from local.temporary import wait_until
from sandbox.running import RunningSandbox
from tests.pipeline.test_frozen_calls import worker
from tests.pipeline.test_outage import to_the_end
from tests.support.batches import RUN, by_symbol, due, planned, symbols
from tests.support.market import Market
from tests.support.wiring import wired
from workers.pipeline import fetching
from workers.pipeline.batch import BatchEnd
from workers.pipeline.run import plan_run
from workers.wiring import Wiring

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

BULK, ALONE = "REALTIME_BULK_QUOTES", "GLOBAL_QUOTE"
STORED = "SELECT count(*) FROM stock_quotes"
#: Symbols of five exchanges that a bulk call does not cover.
ABROAD = ["TSCO.LON", "SHOP.TRT", "MBG.DEX", "RELIANCE.BSE", "600104.SHH"]
WIRED = "from workers.wiring import Wiring; Wiring.from_environment()"
PREMIUM = {"ALPHA_VANTAGE_PLAN": "premium1200", "ALPHA_VANTAGE_QUOTA": "10000/s", "BATCH_CONCURRENCY": "4"}


@pytest.fixture
def premium(environment: dict[str, str]) -> dict[str, str]:
    """A worker's environment on a premium plan."""
    return environment | PREMIUM


@pytest.fixture
def wiring(premium: dict[str, str]) -> Iterator[Wiring]:
    with wired(premium) as opened:
        yield opened


def functions(sandbox: RunningSandbox) -> Counter[str]:
    return Counter(entry.function for entry in sandbox.entries())


def spent(outcomes: list[Outcome]) -> int:
    """The calls that the ledger's lines add up to."""
    return sum(outcome.api_calls for outcome in outcomes)


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


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("HTTP503", "provider_unavailable"),
        ("RESET-BEFORE", "network"),
        ("STALL", "deadline"),
        ("HTML", "provider_busy"),
    ],
)
def test_a_failed_call_fails_its_symbols(
    premium: dict[str, str], sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, fault: str, reason: str
):
    """What fails a single call fails all that share one; the retry shares a call again, and nothing is lost."""
    monkeypatch.setattr(fetching, "BUSY_HOLD_S", 0.5)
    failed = 1 if fault == "HTML" else 3  # the client leaves a busy provider alone
    with wired(premium, API_TIMEOUT="1") as wiring:
        batch = planned(wiring, f"FAULT{failed}-{fault}", *symbols(99))
        end = batch.run(RUN, 1)
        assert Counter(by_symbol(end).values()) == {reason: 100}
        assert end.retryable
        assert functions(sandbox) == {BULK: failed}
        assert spent(end.outcomes) == failed
        end = batch.run(RUN, 1)
    assert end.counts == "100 stored"
    assert functions(sandbox) == {BULK: failed + 1}
    assert spent(end.outcomes) == failed + 1


def test_outage_waits_for_those_that_share(premium: dict[str, str], sandbox: RunningSandbox, market: Market):
    """When the provider fails every call, those that share one are put back, and share it when the provider is back."""
    sandbox.change("faults", faults="", latency="0.2:0.3")
    with wired(premium, API_TIMEOUT="5") as wiring:
        ends: list[BatchEnd] = []
        thread = threading.Thread(target=to_the_end, args=(wiring, 999, ends))
        thread.start()
        wait_until(lambda: market.query(STORED)[0][0] > 0, "the first are stored")
        sandbox.change("faults", faults="http503:1")
        wait_until(lambda: wiring.limiter.usage().held_by == OUTAGE, "the outage is noticed", 30)
        sandbox.change("faults", faults="", latency="")
        thread.join()
    assert [end.counts for end in ends] == ["999 stored"]
    assert functions(sandbox) == {BULK: spent(ends[0].outcomes)}
    assert market.violations() == []


def test_too_fast_holds_back_briefly(wiring: Wiring, sandbox: RunningSandbox):
    """A rate-limit notice holds the workers back, and the same symbols share the next call."""
    end = planned(wiring, "FAULT1-BURST", *symbols(99)).run(RUN, 1)
    assert end.counts == "100 stored"
    assert functions(sandbox) == {BULK: 2}
    assert spent(end.outcomes) == 2


def test_rejected_key_halts_those_that_share(premium: dict[str, str], sandbox: RunningSandbox):
    """A rejected key ends the run for the symbols of the call, and for those that were left."""
    with wired(premium, BATCH_CONCURRENCY="1") as wiring:
        with pytest.raises(ApiKeyRejected):
            planned(wiring, "FAULT-KEY", *symbols(150)).run(RUN, 1)
        reasons = Counter(outcome.reason for outcome in wiring.store.ledger.outcomes(RUN))
    assert reasons == {"api_key": 100, "run_halted": 51}
    assert len(sandbox.entries()) == 1


def test_far_quota_leaves_those_that_share(premium: dict[str, str], sandbox: RunningSandbox):
    """What the quota does not reach is left together, and taken up together by the next pass."""
    slow = {"ALPHA_VANTAGE_QUOTA": "1/2s", "QUOTA_WAIT_IN_PLACE": "0"}
    with wired(premium, **slow) as wiring:
        batch = planned(wiring, *symbols(300))
        end = batch.run(RUN, 1)
        assert end.counts == "100 stored, 200 left"
        while wait := end.wait:
            wait_until(partial(due, wiring, wait.retry_at), "the permit is due")
            end = batch.run(RUN, 1, permit_id=wait.permit_id, resumed=True)
    assert end.counts == "300 stored"
    assert functions(sandbox) == {BULK: 3}


def test_sharing_symbols_are_postponed_together(premium: dict[str, str], sandbox: RunningSandbox):
    """When the day is used up, each symbol of the calls that are left is postponed."""
    with wired(premium, ALPHA_VANTAGE_QUOTA="50/s,2/day") as wiring:
        end = planned(wiring, *symbols(300)).run(RUN, 1)
    assert end.counts == "200 stored, 100 postponed"
    assert functions(sandbox) == {BULK: 2}


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


def test_killed_worker_asks_for_the_rest(premium: dict[str, str], sandbox: RunningSandbox, market: Market):
    """After kill -9 within a batch, the next pass shares calls for what is not stored, and nothing is lost."""
    sandbox.change("faults", faults="", latency="0.1:0.2")
    changed = premium | {"BATCH_CONCURRENCY": "1"}
    with wired(changed) as wiring:
        batch = planned(wiring, *symbols(999))
        with worker(f"{WIRED}.batch(budget_s=60).run({RUN!r}, 1)", changed) as process:
            wait_until(lambda: market.query(STORED)[0][0] > 0, "the first are stored")
            process.kill()
            process.wait()
        stored = market.query(STORED)[0][0]
        assert stored < 999
        sandbox.change("reset")
        end = batch.run(RUN, 1)
    assert end.counts == "999 stored"
    assert functions(sandbox) == {BULK: -(-(999 - stored) // 100)}
    assert market.violations() == []


def test_returning_symbol_shares_no_call(premium: dict[str, str], sandbox: RunningSandbox):
    """After a freeze during which another worker did the batch, only what was out by then is called a second time."""
    sandbox.change("faults", faults="", latency="0.1:0.2")
    changed = premium | {"BATCH_CONCURRENCY": "1"}
    code = f"from workers.pipeline import claims; claims.FRESH_S = 0.0; {WIRED}.batch(budget_s=60).run({RUN!r}, 1)"
    with wired(changed) as wiring:
        batch = planned(wiring, *symbols(999))
        with worker(code, changed) as process:
            wait_until(lambda: len(sandbox.entries()) >= 2, "it has begun")
            process.send_signal(signal.SIGSTOP)
            before = len(sandbox.entries())
            assert batch.run(RUN, 1).counts == "999 stored"
            done = len(sandbox.entries())
            process.send_signal(signal.SIGCONT)
            _, said = process.communicate(timeout=60)
        assert b"ClaimLost" in said
        assert len(sandbox.entries()) <= done + 1
        assert before < done <= before + 10
