"""What one process knows of Redis, and what it makes of Redis's errors; no server is needed."""

import pytest
import redis
from pydantic import SecretStr

from common.errors import LimiterRedisUnfit, LimiterUnreachable
from common.quota.limiter import Limiter
from common.quota.quota import Quota
from common.quota.redis_clock import ANY_TIME, MICROSECONDS, Timeline
from common.quota.redis_errors import explained


class Clock:
    """A monotonic clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timeline(clock: Clock) -> Timeline:
    return Timeline(patience_s=7, clock=clock)


def test_without_answer_any_time_is_possible(timeline):
    """The first answer is the reference; before it nothing can be said."""
    assert timeline.not_after() == ANY_TIME
    assert not timeline.stepped(0, 5 * MICROSECONDS)


def test_a_slow_answer_is_no_jump(timeline, clock):
    """Redis's time may lie anywhere between the question and the answer."""
    assert not timeline.stepped(0, 1000 * MICROSECONDS)
    clock.now = 5
    assert not timeline.stepped(0, 1005 * MICROSECONDS)


def test_unexplained_time_is_a_jump(timeline, clock):
    """The tolerance is a tenth of a second and a thousandth of the time; after a jump a new reference begins."""
    timeline.stepped(0, 1000 * MICROSECONDS)
    clock.now = 100
    assert not timeline.stepped(100, 1_100_199_900)
    clock.now = 200
    assert timeline.stepped(200, 1_200_400_000)  # 100 s, 0.1 s for the drift, 0.1 s, and 0.1 ms too much
    assert timeline.not_after() == ANY_TIME


def test_command_expires_with_its_caller(timeline, clock):
    """The patience is counted from now on, on Redis's clock."""
    timeline.stepped(0, 1000 * MICROSECONDS)
    clock.now = 10
    assert timeline.not_after() == 1_017_117_000


def test_the_latest_acknowledged_grant_is_remembered(timeline):
    """Answers that arrive out of order, on threads, change nothing; another epoch begins from nothing."""
    timeline.remember("one", 10)
    timeline.remember("one", 5)
    assert timeline.known() == ("one", 10)
    timeline.remember("two", 3)
    assert timeline.known() == ("two", 3)


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        (redis.ResponseError("@user_script:3: -OOM command not allowed"), LimiterRedisUnfit, "full"),
        (redis.OutOfMemoryError("command not allowed when used memory"), LimiterRedisUnfit, "full"),
        (redis.ReadOnlyError("You can't write against a read only replica."), LimiterRedisUnfit, "primary"),
        (redis.ResponseError("MISCONF Errors writing to the AOF file"), LimiterRedisUnfit, "disk"),
        (redis.ResponseError("NOREPLICAS Not enough good replicas"), LimiterRedisUnfit, "replicas"),
        (redis.exceptions.NoPermissionError("no permissions"), LimiterRedisUnfit, "rights"),
        (redis.BusyLoadingError("Redis is loading the dataset"), LimiterUnreachable, "does not answer"),
        (redis.TimeoutError("Timeout reading"), LimiterUnreachable, "does not answer"),
        (redis.ResponseError("ERR something new"), LimiterRedisUnfit, "something new"),
    ],
)
def test_each_redis_error_names_its_remedy(error, kind, remedy):
    """A person reads what to do, whichever way Redis or the client words it."""
    with pytest.raises(kind, match=remedy), explained():
        raise error


def test_built_limiter_has_not_connected():
    """Building costs no round trip, so every process may have one."""
    Limiter(SecretStr("redis://nowhere.invalid"), Quota.parse("1/s"), key=SecretStr("k"), cap_s=1).close()
