"""The limiter fails closed: whatever happens to Redis, no call is made that could exceed the quota."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.errors import LimiterRedisUnfit, LimiterStateUnknown, LimiterUnreachable
from common.quota.limiter import Limiter
from common.quota.quota import Quota
from common.quota.results import Denied, Granted, Reserved
from common.values import RecordedCall
from local.temporary import wait_until

pytestmark = pytest.mark.redis


def test_killed_redis_remembers_its_grants(own):
    """kill -9 and a restart on the same data: the day's permits stay used, and the same limiter goes on."""
    limiter = own.limiter("5/day")
    limiter.start_fresh()
    for number in range(3):
        limiter.acquire(f"n{number}")
    own.kill()
    with pytest.raises(LimiterUnreachable, match="LIMITER_REDIS_URL"):
        limiter.acquire("n3")
    own.start()
    answers = [type(limiter.acquire(f"m{number}")) for number in range(3)]
    assert answers == [Granted, Granted, Denied]


def test_lost_data_grants_nothing_until_rebuilt(own):
    """kill -9 and a restart on nothing: refused; then what the ledger knows is used, and no more is granted."""
    limiter = own.limiter("2/s,5/day")
    limiter.start_fresh()
    limiter.acquire("a")
    own.kill()
    own.forget()
    own.start()
    with pytest.raises(LimiterStateUnknown, match="ledger") as raised:
        limiter.acquire("b")
    assert raised.value.cause == "missing"
    assert limiter.recover([RecordedCall(f"old{number}", age_s=3600 * number) for number in range(3)])
    waiting = limiter.acquire("b")
    assert isinstance(waiting, Reserved)
    with limiter.permit("b", max_wait_s=10), limiter.permit("c", max_wait_s=10):
        pass
    denied = limiter.acquire("d")
    assert isinstance(denied, Denied)
    assert denied.window == "5/day"


def test_loss_waits_out_the_short_windows(own):
    """The wait is the cap and the longest short window; day and hour come from the ledger."""
    limiter = own.limiter("2/s,30/min,100/hour", cap_s=35)
    limiter.recover([])
    usage = limiter.usage()
    assert usage.hold_until is not None
    assert (usage.hold_until - usage.at).total_seconds() == pytest.approx(95, abs=1)
    assert "ledger" in usage.held_by


def test_call_during_loss_counts_once(own):
    """Its settling adds it to the log, before the recovery or after it, and the ledger adds it no second time."""
    limiter = own.limiter("5/day")
    limiter.start_fresh()
    limiter.acquire("before")
    limiter.acquire("after")
    own.client.flushall()
    limiter.settle("before")
    limiter.recover([RecordedCall("before", age_s=1), RecordedCall("other", age_s=1)])
    assert limiter.usage().windows[0].used == 2
    limiter.settle("after")
    limiter.settle("after")
    assert limiter.usage().windows[0].used == 3


def test_of_many_recoveries_one_wins(own):
    """Workers that notice the loss together rebuild the log once."""
    calls = [RecordedCall(f"old{number}", age_s=60) for number in range(4)]
    limiters = [own.limiter("5/day") for _ in range(8)]
    with ThreadPoolExecutor(len(limiters)) as pool:
        won = list(pool.map(lambda limiter: limiter.recover(calls), limiters))
    assert won.count(True) == 1
    assert limiters[0].usage().windows[0].used == 4


def test_traces_are_no_fresh_installation(own):
    """Without the meta key, but with a log, only the ledger helps."""
    limiter = own.limiter("5/day")
    limiter.settle("made-before-the-loss")
    with pytest.raises(LimiterStateUnknown, match="no fresh installation"):
        limiter.start_fresh()


@pytest.mark.parametrize(("lost", "cause"), [("meta", "missing"), ("log", "log_missing")])
def test_one_lost_key_is_noticed(own, lost, cause):
    """An eviction takes single keys: each of the two that matter is missed."""
    limiter = own.limiter("5/day")
    limiter.start_fresh()
    limiter.acquire("a")
    own.client.delete(*own.client.keys(f"quota:*:{lost}"))
    with pytest.raises(LimiterStateUnknown) as raised:
        limiter.acquire("b")
    assert raised.value.cause == cause
    assert limiter.recover([RecordedCall("a", age_s=1)])
    assert limiter.usage().windows[0].used == 1


def test_older_state_is_refused_for_everybody(own):
    """A replica or a backup took over without the latest grant: who saw that grant notices, and tells all others."""
    limiter, other = own.limiter("5/day"), own.limiter("5/day")
    limiter.start_fresh()
    limiter.acquire("a")
    backup = {key: own.client.dump(key) for key in own.client.scan_iter()}
    limiter.acquire("b")
    own.client.flushall()
    for key, value in backup.items():
        own.client.restore(key, 0, value)
    for victim in (limiter, other):
        with pytest.raises(LimiterStateUnknown) as raised:
            victim.acquire("c")
        assert raised.value.cause == "rolled_back"
    limiter.recover([RecordedCall("a", age_s=1), RecordedCall("b", age_s=1)])
    assert limiter.usage().windows[0].used == other.usage().windows[0].used == 2


def test_stalled_redis_grants_one_permit_only(own):
    """Every try times out, Redis runs them later, and the same id takes the one grant that they left."""
    quick = redis.Redis.from_url(own.server.url(), socket_timeout=0.1, retry=Retry(NoBackoff(), 2))
    limiter = own.limiter("5/day", client=quick)
    limiter.start_fresh()
    with own.stalled(), pytest.raises(LimiterUnreachable):
        limiter.acquire("a")
    wait_until(own.client.ping, "Redis answers")
    assert isinstance(own.limiter("5/day").acquire("a"), Granted)
    assert own.limiter("5/day").usage().windows[0].used == 1


def test_late_command_consumes_nothing(own):
    """A caller that has given up leaves no grant behind, if it knew Redis's time when it asked."""
    held_up = [50, 100, 100]  # it asked, was held up for 50 s, and then its command ran
    moments = iter([100, 100, *held_up, *held_up])
    limiter = own.limiter("5/day", monotonic=lambda: next(moments, 100))
    limiter.start_fresh()
    with pytest.raises(LimiterUnreachable, match="too late"):
        limiter.acquire("a")
    assert limiter.usage().windows[0].used == 0


def test_held_up_caller_asks_again(own):
    """One late answer is no failure: the second try has a fresh view of the clock."""
    moments = iter([100, 100, 50, 100, 100])
    limiter = own.limiter("5/day", monotonic=lambda: next(moments, 100))
    limiter.start_fresh()
    assert isinstance(limiter.acquire("a"), Granted)
    assert limiter.usage().windows[0].used == 1


def test_forgotten_scripts_are_loaded_again(own):
    """SCRIPT FLUSH, like a restart, costs one more round trip and nothing else."""
    limiter = own.limiter("5/day")
    limiter.start_fresh()
    own.client.script_flush()
    assert isinstance(limiter.acquire("a"), Granted)


def test_full_redis_grants_and_loses_nothing(own, caplog):
    """Out of memory: refused with the remedy; a request that is out ends well, and counts until its cap."""
    limiter = own.limiter("5/day")
    limiter.start_fresh()
    with limiter.permit("a", max_wait_s=0):
        own.client.config_set("maxmemory", 1)
        with pytest.raises(LimiterRedisUnfit, match="full"):
            limiter.acquire("b")
    assert "permit a counts until its cap" in caplog.text
    own.client.config_set("maxmemory", 0)
    assert limiter.usage().windows[0].used == 1
    assert isinstance(limiter.acquire("b"), Granted)


def test_a_replica_is_refused(own):
    """A read-only replica can keep no quota."""
    limiter = own.limiter("5/day")
    limiter.start_fresh()
    own.client.replicaof("127.0.0.1", 1)
    with pytest.raises(LimiterRedisUnfit, match="primary"):
        limiter.acquire("a")
    with pytest.raises(LimiterRedisUnfit, match="primary"):
        limiter.check()


def test_a_redis_that_evicts_is_refused(own):
    """The policy is checked where health is."""
    limiter = own.limiter("5/day")
    limiter.start_fresh()
    assert limiter.check().durable
    own.client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(LimiterRedisUnfit, match="noeviction"):
        limiter.check()


def test_foreign_data_is_named(own):
    """Somebody else's key is an error with a remedy, and not a grant."""
    limiter = own.limiter("5/day")
    own.client.set(f"quota:{{{limiter.key_digest}}}:meta", "x")
    with pytest.raises(LimiterRedisUnfit, match="database of its own"):
        limiter.acquire("a")


@pytest.mark.parametrize(
    ("url", "kind", "remedy"),
    [
        ("redis://:wrong-MARKED@127.0.0.1:{port}/0", LimiterRedisUnfit, "REDIS_PASSWORD"),
        ("redis://127.0.0.1:{port}/0", LimiterRedisUnfit, "REDIS_PASSWORD"),
        ("redis://:MARKED@127.0.0.1:1/0", LimiterUnreachable, "LIMITER_REDIS_URL"),
        ("redis://:MARKED@nowhere.invalid:6379/0", LimiterUnreachable, "LIMITER_REDIS_URL"),
    ],
)
def test_failed_connection_names_the_remedy(own, url, kind, remedy):
    """Wrong password, no password, nobody there, no such host."""
    address = SecretStr(url.format(port=own.server.port))
    limiter = Limiter(address, Quota.parse("1/s"), key=SecretStr("MARKED-KEY"), cap_s=1)
    with pytest.raises(kind, match=remedy) as raised:
        limiter.acquire("a")
    assert raised.value.__suppress_context__
    assert "MARKED" not in f"{raised.value!r} {limiter!r} {vars(limiter)!r}"
