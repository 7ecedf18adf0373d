"""A Redis client whose scripts read the time from a key, so that a test moves Redis's clock."""

from pathlib import Path

import redis

import common

_CLOCK = (Path(common.__file__).parent / "quota" / "lua" / "clock.lua").read_text(encoding="utf-8")
_REDIS_TIME = "redis.call('TIME')"
_KEPT_TIME = "redis.call('HMGET', 'test:clock', 's', 'us')"
MICROSECONDS = 1_000_000
START = 1_800_000_000 * MICROSECONDS


class ClockedRedis(redis.Redis):
    """The scripts' only source of time is replaced where they are registered; production has no such door."""

    microseconds = START

    def register_script(self, script: str):
        assert script.count(_REDIS_TIME) == _CLOCK.count(_REDIS_TIME) == 1
        return super().register_script(script.replace(_REDIS_TIME, _KEPT_TIME))

    def set_clock(self, microseconds: int) -> None:
        self.microseconds = microseconds
        seconds, rest = divmod(microseconds, MICROSECONDS)
        self.hset("test:clock", mapping={"s": seconds, "us": rest})

    def advance(self, seconds: float) -> None:
        self.set_clock(self.microseconds + round(seconds * MICROSECONDS))

    def monotonic(self) -> float:
        return self.microseconds / MICROSECONDS
