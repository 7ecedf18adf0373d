"""When the limiter may rely on what Redis knows: clocks that jump, quotas that change."""

from collections.abc import Callable

import pytest
from pydantic import SecretStr

from common.errors import LimiterQuotaChanged, LimiterStateUnknown
from common.quota.limiter import Limiter
from common.quota.quota import Quota
from common.quota.results import Denied, Granted, Reserved
from common.values import RecordedCall
from tests.support.limiter_clock import ClockedRedis

pytestmark = pytest.mark.redis

CAP_S = 5.0
DAY_S = 86_400


class Worker(Limiter):
    """A worker process with a monotonic clock of its own; ``passed_s`` is what it shows."""

    def __init__(self, client: ClockedRedis, quota: str) -> None:
        self.passed_s = 0.0
        super().__init__(
            SecretStr(""),
            Quota.parse(quota),
            key=SecretStr("k"),
            cap_s=CAP_S,
            client=client,
            monotonic=lambda: self.passed_s,
        )


@pytest.fixture
def worker(clocked: ClockedRedis) -> Callable[[str], Worker]:
    return lambda quota: Worker(clocked, quota)


def cause_of_refusal(limiter: Limiter) -> str:
    with pytest.raises(LimiterStateUnknown) as raised:
        limiter.acquire("refused")
    return raised.value.cause


def used(limiter: Limiter) -> list[int]:
    return [window.used for window in limiter.usage().windows]


def test_a_clock_that_hesitates_stands_still(worker, clocked):
    """Up to a second back: windows reopen that much later, and never earlier."""
    limiter = worker("1/s")
    limiter.start_fresh()
    limiter.acquire("a")
    limiter.settle("a")
    clocked.advance(-0.9)
    assert isinstance(limiter.acquire("b"), Reserved)
    limiter.passed_s = 2
    clocked.advance(1.8)
    assert isinstance(limiter.acquire("b"), Reserved)
    clocked.advance(0.1)
    assert isinstance(limiter.acquire("b"), Granted)


def test_hesitating_clock_is_no_older_state(worker, clocked):
    """A grant on the slower clock is not older than what another worker has seen."""
    one, other = worker("5/min"), worker("5/min")
    one.start_fresh()
    one.acquire("a")
    clocked.advance(-0.5)
    other.acquire("b")
    assert isinstance(one.acquire("c"), Granted)


def test_later_of_log_and_ledger_counts(worker, clocked):
    """A rebuilding never makes a call older than the log knows it to be."""
    limiter = worker("5/day")
    limiter.start_fresh()
    limiter.acquire("a")
    clocked.delete(*clocked.keys("quota:*:meta"))
    limiter.recover([RecordedCall("a", age_s=DAY_S + 3600)])
    assert used(limiter) == [1]


def test_clock_set_back_is_refused(worker, clocked):
    """What was called when is unknown; it heals when the clock passes where it was, or from the ledger."""
    limiter = worker("5/day")
    limiter.start_fresh()
    limiter.acquire("a")
    clocked.advance(-3600)
    assert cause_of_refusal(limiter) == "clock_behind"
    clocked.advance(3600)
    assert isinstance(limiter.acquire("b"), Granted)


def test_ledger_heals_a_clock_set_back(worker, clocked):
    """The log is dated again, so that its permits leave the window when they should."""
    limiter = worker("2/day")
    limiter.start_fresh()
    limiter.acquire("a")
    clocked.advance(-3600)
    limiter.recover([RecordedCall("a", age_s=10)])
    assert used(limiter) == [1]
    clocked.advance(DAY_S - 10 + CAP_S)
    assert used(worker("2/day")) == [0]


def test_clock_jumping_ahead_grants_nothing(worker, clocked):
    """A worker whose own clock disagrees tells all others; after the rebuilding the day's calls count as before."""
    limiter, other = worker("1/s,2/day"), worker("1/s,2/day")
    limiter.start_fresh()
    other.usage()
    limiter.acquire("a")
    clocked.advance(DAY_S)
    limiter.passed_s = other.passed_s = 1
    assert cause_of_refusal(limiter) == "clock_ahead"
    assert cause_of_refusal(worker("1/s,2/day")) == "clock_ahead"
    assert limiter.recover([RecordedCall("a", age_s=1)])
    assert used(limiter)[1] == 1
    assert used(other)[1] == 1, "its older view of the clock does not put the rebuilt log in doubt"


def test_sleeping_worker_is_no_clock_jump(worker, clocked):
    """Hours between two calls, on both clocks, with a drift of 500 ppm."""
    limiter = worker("2/day")
    limiter.start_fresh()
    for hours in (1, 10, 100):
        limiter.passed_s += hours * 3600
        clocked.advance(hours * 3600 * 1.0005)
        assert isinstance(limiter.acquire(f"after {hours}".replace(" ", "-")), Granted | Reserved | Denied)


def test_jump_that_grant_reveals_wastes_nothing(worker, clocked):
    """The script refuses by itself what is later than its caller can wait for."""
    limiter = worker("2/day")
    limiter.start_fresh()
    limiter.usage()
    clocked.advance(DAY_S)
    assert cause_of_refusal(limiter) == "clock_ahead"
    limiter.recover([])
    assert used(limiter) == [0]


def test_another_quota_is_named_and_refused(worker):
    """Two workers that were set up differently do not share a log."""
    worker("1/s,25/day").start_fresh()
    late = worker("75/min")
    for ask in (lambda: late.acquire("a"), late.usage, lambda: late.hold_back(1, "x"), lambda: late.recover([])):
        with pytest.raises(LimiterQuotaChanged, match=r"75/min.*1/s,25/day") as raised:
            ask()
    assert (raised.value.configured, raised.value.in_force) == ("75/min", "1/s,25/day")


def test_larger_plan_keeps_earlier_calls(worker):
    """From now on the new quota holds, over the same log, and who has the old one is refused."""
    old, new = worker("1/min,25/day"), worker("3/min")
    old.start_fresh()
    old.acquire("a")
    old.acquire("waits")
    assert new.adopt([]) is True
    assert new.adopt([]) is False
    assert used(new) == [1]
    assert isinstance(new.acquire("b"), Granted)
    with pytest.raises(LimiterQuotaChanged):
        old.acquire("c")


def test_longer_window_takes_the_ledgers_calls(worker, clocked):
    """The log knows its own longest window exactly; only what is older comes from the ledger."""
    old, new = worker("3/min"), worker("3/min,5/day")
    old.start_fresh()
    for name in ("a", "b"):
        old.acquire(name)
        old.settle(name)
    clocked.advance(30)
    ledger = [RecordedCall("a", 30), RecordedCall("known by another name", 30), RecordedCall("older", 3000)]
    assert new.adopt(ledger)
    assert used(new) == [2, 3]
    assert new.usage().hold_until is None


def test_ledger_calls_count_from_their_cap(worker, clocked):
    """A call may be noted before it is sent, so it counts as if it had arrived a cap later."""
    limiter = worker("1/min,5/day")
    limiter.recover([RecordedCall("old", DAY_S), RecordedCall("gone", DAY_S + CAP_S)])
    assert used(limiter) == [0, 1]
    clocked.advance(CAP_S)
    assert used(worker("1/min,5/day")) == [0, 0]
