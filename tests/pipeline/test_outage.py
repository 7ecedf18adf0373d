"""The provider fails every call for a while: what that costs, and how it ends."""

import threading
from collections.abc import Callable
from functools import partial

import pytest
from pydantic import SecretStr

from common.errors import ProviderDown
from common.quota.limiter import OUTAGE, Limiter
from common.quota.quota import Quota
from common.quota.results import Denied, Granted, Reserved
from local.temporary import wait_until
from sandbox.running import RunningSandbox
from tests.support.batches import RUN, due, planned, symbols
from tests.support.limiter_clock import ClockedRedis
from tests.support.wiring import wired
from workers.pipeline.batch import BatchEnd
from workers.wiring import Wiring

THREADS = 8


def to_the_end(wiring: Wiring, count: int, ends: list[BatchEnd]) -> None:
    """Work on a batch as its task does: pass after pass, each when the permit that it waits for is due."""
    batch = planned(wiring, *symbols(count))
    end = batch.run(RUN, 1)
    while end.left:
        assert end.wait
        wait_until(partial(due, wiring, end.wait.retry_at), "the permit is due", 60)
        end = batch.run(RUN, 1, permit_id=end.wait.permit_id, resumed=True)
    ends.append(end)


@pytest.mark.parametrize("fault", ["http503:1", "stall:1", "reset-before:1"])
def test_an_outage_costs_few_calls(environment: dict[str, str], sandbox: RunningSandbox, fault: str):
    """While every call fails only those that were out and a few probes are made; then all symbols are stored."""
    sandbox.change("faults", faults=fault)
    changes = {"ALPHA_VANTAGE_QUOTA": "10000/s", "API_TIMEOUT": "1"}
    with wired(environment, BATCH_CONCURRENCY=str(THREADS), **changes) as wiring:
        ends: list[BatchEnd] = []
        thread = threading.Thread(target=to_the_end, args=(wiring, 60, ends))
        thread.start()
        wait_until(lambda: wiring.limiter.usage().held_by == OUTAGE, "the outage is noticed", 30)
        noticed = len(sandbox.entries())
        wait_until(lambda: len(sandbox.entries()) >= noticed + 2, "the provider is probed", 30)
        sandbox.change("faults", faults="")
        failed = len(sandbox.entries())
        thread.join()
        assert [end.counts for end in ends] == ["60 stored"]
        assert wiring.limiter.usage().hold_until is None
    assert sum(outcome.api_calls for outcome in ends[0].outcomes) == len(sandbox.entries())
    assert failed <= 5 + THREADS + 4
    assert len(sandbox.entries()) <= failed + 60 + 1  # one more may have been out


def test_refused_connections_are_an_outage(environment: dict[str, str]):
    """Where nobody listens no quota is spent, no symbol fails, and the batch waits for the provider."""
    with wired(environment, SANDBOX_URL="http://127.0.0.1:9", QUOTA_WAIT_IN_PLACE="1") as wiring:
        end = planned(wiring, *symbols(40)).run(RUN, 1)
        usage = wiring.limiter.usage()
    assert (end.counts, usage.held_by) == ("40 left", OUTAGE)
    assert {window.used for window in usage.windows} == {0}
    assert {outcome.api_calls for outcome in end.outcomes} == {0}


@pytest.fixture
def limiter(clocked: ClockedRedis) -> Limiter:
    quota = Quota.parse("100/s")
    made = Limiter(SecretStr(""), quota, key=SecretStr("k"), cap_s=35, client=clocked, monotonic=clocked.monotonic)
    made.start_fresh()
    return made


@pytest.fixture
def fail(limiter: Limiter) -> Callable[..., None]:
    def fail(*names: str) -> None:
        for name in names:
            assert isinstance(limiter.acquire(name), Granted)
        for name in names:
            limiter.settle(name, answered=False)

    return fail


def test_a_few_failures_are_no_outage(limiter: Limiter, fail: Callable[..., None]):
    """Failures of single symbols, with answers between them, hold nobody back."""
    for round_ in range(5):
        fail(*(f"{round_}-{number}" for number in range(4)))
        assert isinstance(limiter.acquire(f"good-{round_}"), Granted)
        limiter.settle(f"good-{round_}", answered=True)
    assert limiter.usage().hold_until is None


def test_probes_come_more_and_more_slowly(limiter: Limiter, clocked: ClockedRedis, fail: Callable[..., None]):
    """During an outage one call goes out after each pause, and each pause is twice as long, up to a minute."""
    fail(*"abcde")
    pauses = []
    for number in range(7):
        answer = limiter.acquire(f"probe-{number}")
        assert isinstance(answer, Reserved | Denied)
        pauses.append(round(answer.wait_s))
        clocked.advance(answer.wait_s)
        fail(f"probe-{number}")
    assert pauses == [2, 4, 8, 16, 32, 60, 60]


def test_the_first_answer_ends_an_outage(limiter: Limiter, clocked: ClockedRedis, fail: Callable[..., None]):
    """Once a probe is answered, everybody goes on at once."""
    fail(*"abcde")
    clocked.advance(2)
    assert isinstance(limiter.acquire("probe"), Granted)
    waiting = limiter.acquire("other")
    assert isinstance(waiting, Reserved)
    assert (waiting.wait_s, waiting.held_by) == (4, OUTAGE)
    limiter.settle("probe", answered=True)
    assert isinstance(limiter.acquire("other"), Granted)


def test_long_outage_is_not_waited_for(limiter: Limiter, clocked: ClockedRedis, fail: Callable[..., None]):
    """After five minutes a call is refused with the reason; a probe goes out all the same now and then."""
    fail(*"abcde")
    for number in range(9):
        clocked.advance(60)
        fail(f"probe-{number}")
    with pytest.raises(ProviderDown, match="failed every call since 20"):
        limiter.acquire("late")
    clocked.advance(60)
    assert isinstance(limiter.acquire("late"), Granted)


def test_an_old_outage_is_forgotten(limiter: Limiter, clocked: ClockedRedis, fail: Callable[..., None]):
    """Failures of the night before hold back no call."""
    fail(*"abcde")
    clocked.advance(3600)
    assert all(isinstance(limiter.acquire(name), Granted) for name in "vwxyz")
