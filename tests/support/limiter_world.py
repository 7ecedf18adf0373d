"""A limiter, its model, and the provider's view of the calls; every event happens to all three."""

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from common.quota.limiter import Limiter
from common.quota.quota import Quota
from common.quota.results import Decision, Denied, Granted, Reserved
from tests.support.limiter_clock import MICROSECONDS, START, ClockedRedis
from tests.support.limiter_model import Model

EPOCH = datetime.fromtimestamp(0, UTC)
CAP_S, GRACE_S, HORIZON_S = 3.0, 1.0, 4.0


class World:
    """``calls``: permit -> (claimed, has arrived at the latest), in µs."""

    def __init__(self, redis: ClockedRedis, quota: str) -> None:
        redis.flushdb()
        redis.set_clock(START)
        self.redis = redis
        self.quota = Quota.parse(quota)
        self.model = Model(self.quota, *(round(s * MICROSECONDS) for s in (CAP_S, GRACE_S, HORIZON_S)), START)
        self.limiter = Limiter(
            SecretStr(""),
            self.quota,
            key=SecretStr("k"),
            cap_s=CAP_S,
            grace_s=GRACE_S,
            client=redis,
            monotonic=redis.monotonic,
        )
        assert self.limiter.start_fresh()
        self.calls: dict[str, tuple[int, int]] = {}

    def acquire(self, permit: str) -> None:
        try:
            answer = shown(self.limiter.acquire(permit, horizon_s=HORIZON_S))
        except ValueError:
            answer = ("spent",)
        expected = self.model.acquire(permit)
        assert answer == expected, (permit, answer, expected)
        if answer == ("granted",):
            # Asked again, it is the same call; only after a release or a long time is it another one.
            claimed, last = self.calls.get(permit, (0, 0))
            again = last > self.model.now
            self.calls[permit] = (claimed if again else self.model.now, self.model.now + self.model.cap)
            self.check_the_providers_windows()

    def settle(self, permit: str) -> None:
        claimed, last = self.calls[permit]
        self.limiter.settle(permit)
        self.model.settle(permit)
        self.calls[permit] = (claimed, min(last, self.model.now))

    def release(self, permit: str) -> None:
        self.limiter.release(permit)
        self.model.release(permit)
        if permit in self.calls and self.calls[permit][1] > self.model.now:
            del self.calls[permit]

    def wait(self, microseconds: int) -> None:
        self.model.now += microseconds
        self.redis.set_clock(self.model.now)

    def wait_for_the_next_slot(self, late: int = 0) -> None:
        if self.model.due:
            at = min(self.model.due.values()) - self.model.grace + late
            self.wait(max(0, at - self.model.now))

    def hold_back(self, seconds: int) -> None:
        self.limiter.hold_back(seconds, "burst")
        self.model.hold_back(seconds * MICROSECONDS)

    def check_usage(self) -> None:
        usage = self.limiter.usage()
        used = [self.model.used(window.period_s * MICROSECONDS) for window in self.quota.windows]
        assert [window.used for window in usage.windows] == used
        assert usage.waiting == len(self.model.queue)
        assert usage.in_flight == sum(score > self.model.now for score in self.model.log.values())
        ahead = usage.waiting + 1
        assert micro(usage.next_at) == max(self.model.hold, self.model.earliest(ahead))

    def check_the_providers_windows(self) -> None:
        """Wherever between claim and settling each call arrived: no window that ends at a claim holds too many."""
        for window in self.quota.windows:
            period = window.period_s * MICROSECONDS
            for end, _ in self.calls.values():
                within = sum(claimed <= end < last + period for claimed, last in self.calls.values())
                assert within <= window.limit, (str(window), self.calls)


def shown(answer: Decision) -> tuple:
    match answer:
        case Granted():
            return ("granted",)
        case Reserved(at=at):
            return ("reserved", micro(at))
        case Denied(retry_at=back, opens_at=opens):
            return ("denied", micro(back), micro(opens))


def micro(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)
