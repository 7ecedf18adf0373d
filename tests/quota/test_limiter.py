"""What a caller sees of the limiter, on a real Redis whose clock the test moves."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from common.errors import ConfigurationError, LimiterStateUnknown, NetworkFailed, QuotaWait, RateLimited
from common.quota.limiter import Limiter
from common.quota.quota import Quota
from common.quota.results import Denied, Granted, Reserved
from tests.support.limiter_clock import ClockedRedis

pytestmark = pytest.mark.redis

CAP_S = 35.0


@pytest.fixture
def make(clocked: ClockedRedis) -> Callable[..., Limiter]:
    def make(quota: str, key: str = "key", fresh: bool = True) -> Limiter:
        limiter = Limiter(
            SecretStr(""),
            Quota.parse(quota),
            key=SecretStr(key),
            cap_s=CAP_S,
            client=clocked,
            monotonic=clocked.monotonic,
        )
        if fresh:
            limiter.start_fresh()
        return limiter

    return make


def call(limiter: Limiter, permit_id: str) -> None:
    """Make a call whose reply comes at once."""
    assert isinstance(limiter.acquire(permit_id), Granted)
    limiter.settle(permit_id)


def test_permit_counts_from_its_reply(make, clocked):
    """The window reopens a period after the reply was seen, not after the permit was granted."""
    limiter = make("1/s")
    limiter.acquire("a")
    clocked.advance(0.4)
    limiter.settle("a")
    clocked.advance(0.999999)
    assert isinstance(limiter.acquire("b"), Reserved)
    clocked.advance(0.000001)
    assert isinstance(limiter.acquire("b"), Granted)


def test_dead_workers_permit_lasts_the_cap(make, clocked):
    """A permit that nobody settles counts as if its reply came when the cap had passed."""
    limiter = make("1/s")
    limiter.acquire("dead")
    clocked.advance(CAP_S + 0.999999)
    assert isinstance(limiter.acquire("b", horizon_s=0), Denied)
    clocked.advance(0.000001)
    assert isinstance(limiter.acquire("b"), Granted)


def test_denial_consumes_nothing_in_any_window(make, clocked):
    """While the second is full, asking a hundred times leaves all the rest of the day's permits."""
    limiter = make("1/s,25/day")
    limiter.acquire("a")
    for number in range(100):
        assert isinstance(limiter.acquire(f"n{number}", horizon_s=0), Denied)
    assert limiter.usage().windows[1].used == 1


def test_a_day_takes_exactly_25_calls(make, clocked):
    """25 calls in 25 s; the 26th at the moment when the first is a day old; not one earlier."""
    limiter = make("1/s,25/day")
    for number in range(25):
        call(limiter, f"n{number}")
        clocked.advance(1)
    denied = limiter.acquire("n25")
    assert isinstance(denied, Denied)
    assert denied.window == "25/day"
    clocked.advance(denied.wait_s - 0.000001)
    assert not isinstance(limiter.acquire("n25", horizon_s=0), Granted)
    clocked.advance(0.000001)
    assert isinstance(limiter.acquire("n25"), Granted)


def test_a_lost_reply_costs_nothing(make):
    """The same id again returns the grant it has."""
    limiter = make("2/min")
    for _ in range(5):
        assert isinstance(limiter.acquire("a"), Granted)
    assert limiter.usage().windows[0].used == 1


def test_repeated_grant_renews_its_cap(make, clocked):
    """Its request leaves after the second answer, so it may arrive that much later."""
    limiter = make("1/s")
    limiter.acquire("a")
    clocked.advance(CAP_S - 1)
    limiter.acquire("a")
    clocked.advance(CAP_S)
    assert not isinstance(limiter.acquire("b", horizon_s=0), Granted)


def test_settled_id_permits_no_other_call(make):
    """One id, one call."""
    limiter = make("5/min")
    call(limiter, "a")
    with pytest.raises(ValueError, match="another id"):
        limiter.acquire("a")


def test_first_come_first_served(make, clocked):
    """Waiters are promised successive slots, and a newcomer does not overtake one that is about to come."""
    limiter = make("1/s")
    call(limiter, "a")
    waits = [limiter.acquire(name).wait_s for name in ("b", "c", "d")]
    assert waits == [1, 2, 3]
    clocked.advance(1)
    newcomer = limiter.acquire("new")
    assert isinstance(newcomer, Reserved)
    assert newcomer.wait_s == 3
    assert isinstance(limiter.acquire("b"), Granted)


def test_unclaimed_reservation_is_handed_on(make, clocked):
    """After the grace the next one in the queue gets the slot, and the late one stands at the end."""
    limiter = make("1/s")
    call(limiter, "a")
    limiter.acquire("absent")
    limiter.acquire("c")
    clocked.advance(1 + limiter.grace_s - 0.000001)
    assert isinstance(limiter.acquire("c"), Reserved)
    clocked.advance(0.000001)
    assert isinstance(limiter.acquire("c"), Granted)
    assert isinstance(limiter.acquire("absent"), Reserved)


def test_taken_slot_costs_no_place(make, clocked):
    """The request ahead took its time: the head of the queue is told a new moment and stays the head."""
    limiter = make("1/s")
    limiter.acquire("slow")
    limiter.acquire("b")
    limiter.acquire("c")
    clocked.advance(1)
    assert limiter.acquire("b") == Reserved("b", limiter.usage().at + timedelta(seconds=1), 1.0)
    limiter.settle("slow")
    clocked.advance(1)
    assert isinstance(limiter.acquire("c"), Reserved)
    assert isinstance(limiter.acquire("b"), Granted)


def test_a_release_gives_the_permit_back(make):
    """What was never sent is not counted; what was settled stays counted."""
    limiter = make("1/min")
    limiter.acquire("a")
    limiter.release("a")
    call(limiter, "b")
    limiter.release("b")
    assert limiter.usage().windows[0].used == 1


def test_who_gives_up_leaves_the_queue(make, clocked):
    """A released reservation is handed on at once."""
    limiter = make("1/s")
    call(limiter, "a")
    limiter.acquire("b")
    limiter.acquire("c")
    limiter.release("b")
    clocked.advance(1)
    assert isinstance(limiter.acquire("c"), Granted)


@pytest.mark.parametrize("permit_id", ["", "a b", "a\nb", "x" * 201])
def test_ambiguous_id_is_refused(make, permit_id):
    """An id is one printable word that a person finds again in a log."""
    with pytest.raises(ValueError, match="permit id"):
        make("4/s").acquire(permit_id)


@pytest.mark.parametrize(("cap_s", "grace_s"), [(0, 1), (-1, 1), (1, 0)])
def test_limiter_without_cap_cannot_be_built(cap_s, grace_s):
    """Without a bound on a request's life the quota cannot be kept."""
    with pytest.raises(ConfigurationError):
        Limiter(SecretStr("redis://"), Quota.parse("1/s"), key=SecretStr("k"), cap_s=cap_s, grace_s=grace_s)


def test_every_question_is_one_round_trip(make, clocked, monkeypatch):
    """Granted, asked again, settled, reserved, denied, given up: each is one command, once Redis knows the script."""
    limiter = make("1/s")
    call(limiter, "a")
    limiter.release("a")
    clocked.advance(1)
    sent: list[str] = []
    execute = clocked.execute_command
    monkeypatch.setattr(clocked, "execute_command", lambda *parts, **options: sent.append(parts[0]) or execute(*parts))
    limiter.acquire("b")
    limiter.acquire("b")
    limiter.settle("b")
    assert isinstance(limiter.acquire("c"), Reserved)
    assert isinstance(limiter.acquire("d", horizon_s=0), Denied)
    limiter.release("c")
    assert sent == ["EVALSHA"] * 6


def test_denied_callers_return_one_by_one(make):
    """Beyond the horizon each gets the time of a slot of its own, and keeps it when it asks again early."""
    limiter = make("10/min")
    for number in range(10):
        call(limiter, f"n{number}")
    denied = [limiter.acquire(f"w{number}", horizon_s=1) for number in range(30)]
    assert [round(answer.wait_s / 60) for answer in denied] == [1] * 10 + [2] * 10 + [3] * 10
    assert len({answer.opens_at for answer in denied}) == 1
    assert limiter.acquire("w25", horizon_s=1).retry_at == denied[25].retry_at


def test_obedient_caller_is_queued(make, clocked):
    """A newcomer is sent away beyond the horizon, a caller that comes back is not sent away again."""
    limiter = make("1/s")
    call(limiter, "a")
    for number in range(5):
        limiter.acquire(f"n{number}", horizon_s=5)
    told = limiter.acquire("told", horizon_s=5)
    assert isinstance(told, Denied)
    clocked.advance(told.wait_s)
    for number in range(5):
        limiter.acquire(f"late{number}", horizon_s=5)
    for number in range(5):
        limiter.acquire(f"m{number}", horizon_s=5)
    assert isinstance(limiter.acquire("newcomer", horizon_s=5), Denied)
    assert isinstance(limiter.acquire("told", horizon_s=5), Reserved)


def test_what_the_provider_said_is_obeyed(make, clocked):
    """After a refusal nothing is granted for as long as it means, and a shorter one shortens nothing."""
    limiter = make("5/s")
    limiter.hold_back(30, "day used up")
    limiter.hold_back(2, "burst")
    denied = limiter.acquire("a", horizon_s=1)
    assert isinstance(denied, Denied)
    assert (denied.window, denied.wait_s) == ("day used up", 30)
    assert limiter.usage().held_by == "day used up"
    assert limiter.usage().left == 0
    clocked.advance(30)
    assert isinstance(limiter.acquire("a"), Granted)
    assert limiter.usage().hold_until is None


def test_two_keys_do_not_mix(make, clocked):
    """Each API key has a quota of its own, and its text stands in no key of Redis."""
    one, other = make("1/min", "MARKED-ONE"), make("1/day", "MARKED-TWO")
    call(one, "a")
    assert isinstance(other.acquire("a"), Granted)
    assert not [key for key in clocked.scan_iter() if b"MARKED" in key]


def test_usage_answers_people_and_plans(make, clocked):
    """Used, left, the next permit, who waits, what is out; and when the nth call from now can go."""
    limiter = make("2/s,3/min")
    call(limiter, "a")
    limiter.acquire("b")
    limiter.acquire("c", horizon_s=5)
    usage = limiter.usage()
    assert [(window.used, window.left) for window in usage.windows] == [(2, 0), (2, 1)]
    assert (usage.in_flight, usage.waiting, usage.deferred, usage.left) == (1, 1, 0, 0)
    assert usage.windows[0].next_at == usage.at + timedelta(seconds=1)
    assert usage.windows[1].next_at == usage.at
    assert limiter.earliest() == usage.next_at == usage.at + timedelta(seconds=60)
    assert limiter.earliest(nth=4) == usage.at + timedelta(seconds=120)


def test_permit_waits_in_place_and_settles(make, clocked):
    """A short wait happens inside; the permit is settled when the body ends, whatever it raised."""
    limiter = make("1/s")
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clocked.advance(seconds)

    with limiter.permit("a", max_wait_s=10, sleep=sleep):
        pass
    with pytest.raises(RateLimited), limiter.permit("b", max_wait_s=10, sleep=sleep):
        raise RateLimited("too fast")
    assert slept == [1]
    assert limiter.usage().in_flight == 0
    assert limiter.usage().windows[0].used == 1


def test_long_wait_raises_and_keeps_place(make, clocked):
    """Who comes back with the same id when it was told to goes before everybody who came later."""
    limiter = make("1/30s")
    call(limiter, "a")
    with pytest.raises(QuotaWait) as raised, limiter.permit("b", max_wait_s=10):
        pytest.fail("there is no permit")
    assert raised.value.permit_id == "b"
    assert raised.value.retry_after_s == 30
    clocked.advance(30)
    with pytest.raises(QuotaWait), limiter.permit("c", max_wait_s=10):
        pytest.fail("there is no permit")
    with limiter.permit("b", max_wait_s=10) as permit:
        assert permit.remaining_s == pytest.approx(CAP_S)


def test_permit_names_window_that_is_full(make):
    """A person reads what to wait for."""
    limiter = make("1/s,1/day")
    call(limiter, "a")
    with pytest.raises(QuotaWait, match=r"1/day.*until 20\d\d-") as raised, limiter.permit("b", max_wait_s=10):
        pytest.fail("there is no permit")
    assert raised.value.window == "1/day"


def test_unsent_permit_goes_back(make):
    """The body says so, or the error does; otherwise a call is taken to be made."""
    limiter = make("5/min")
    with limiter.permit("a", max_wait_s=0) as permit:
        permit.give_back()
    with pytest.raises(NetworkFailed), limiter.permit("b", max_wait_s=0):
        raise NetworkFailed("no route", request_sent=False)
    assert limiter.usage().windows[0].used == 0
    with pytest.raises(NetworkFailed), limiter.permit("c", max_wait_s=0):
        raise NetworkFailed("reset")
    assert limiter.usage().windows[0].used == 1


def test_interrupted_wait_leaves_the_queue(make, clocked):
    """A task that is killed while it waits blocks no slot."""
    limiter = make("1/s")
    call(limiter, "a")

    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), limiter.permit("b", max_wait_s=10, sleep=interrupted):
        pytest.fail("there is no permit")
    assert limiter.usage().waiting == 0


def test_unknown_past_grants_nothing(make):
    """An unknown state refuses; a fresh installation says so once."""
    limiter = make("1/s", fresh=False)
    with pytest.raises(LimiterStateUnknown) as raised:
        limiter.acquire("a")
    assert raised.value.cause == "missing"
    assert limiter.start_fresh() is True
    assert limiter.start_fresh() is False
    assert isinstance(limiter.acquire("a"), Granted)


def test_memory_is_bounded(make, clocked):
    """A log holds no more than the longest window, and what nobody waits for takes no room."""
    limiter = make("5/s,20/min")
    for number in range(200):
        call(limiter, f"n{number}")
        clocked.advance(3.1)
    assert clocked.zcard(f"quota:{{{limiter.key_digest}}}:log") <= 20
    assert {key.rpartition(b":")[2] for key in clocked.keys("quota:*")} == {b"meta", b"log"}
