"""A call that symbols share, while the provider fails, the quota is far, or a worker is killed."""

import signal
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from common.errors import ApiKeyRejected
from common.quota.limiter import OUTAGE
from local.temporary import wait_until
from sandbox.running import RunningSandbox
from tests.pipeline.test_frozen_calls import worker
from tests.pipeline.test_outage import to_the_end
from tests.support.batches import RUN, by_symbol, due, planned, symbols
from tests.support.bulk import BULK, PREMIUM, functions, spent
from tests.support.market import Market
from tests.support.wiring import wired
from workers.pipeline import fetching
from workers.pipeline.batch import BatchEnd
from workers.wiring import Wiring

STORED = "SELECT count(*) FROM stock_quotes"
WIRED = "from workers.wiring import Wiring; Wiring.from_environment()"


@pytest.fixture
def premium(environment: dict[str, str]) -> dict[str, str]:
    """A worker's environment on a premium plan."""
    return environment | PREMIUM


@pytest.fixture
def wiring(premium: dict[str, str]) -> Iterator[Wiring]:
    with wired(premium) as opened:
        yield opened


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


def test_killed_worker_asks_for_the_rest(premium: dict[str, str], sandbox: RunningSandbox, market: Market):
    """After kill -9 within a batch, the next pass shares calls for what is not stored, and nothing is lost."""
    sandbox.change("faults", faults="", latency="0.1:0.2")
    changed = premium | {"BATCH_CONCURRENCY": "1"}
    with wired(changed) as wiring:
        batch = planned(wiring, *symbols(999))
        with worker(f"{WIRED}.batch(budget_s=60).run({RUN!r}, 1)", changed) as process:
            wait_until(lambda: market.query(STORED)[0][0] >= 300, "a third is stored")
            process.kill()
            process.wait()
        stored = market.query(STORED)[0][0]
        assert stored < 999
        sandbox.change("reset")
        end = batch.run(RUN, 1)
    assert end.counts == "999 stored"
    assert functions(sandbox)[BULK] <= -(-(999 - stored) // 100) + 1  # the killed worker's last may come late
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
