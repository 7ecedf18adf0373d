"""The Redis side: the connection, the keys, and the scripts in which everything is decided."""

import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import redis
from pydantic import SecretStr
from redis.backoff import ExponentialWithJitterBackoff
from redis.commands.core import Script
from redis.driver_info import DriverInfo
from redis.retry import Retry

from common.errors import LimiterRedisUnfit, LimiterUnreachable
from common.quota.quota import Quota, key_digest
from common.quota.redis_clock import MICROSECONDS, Timeline
from common.quota.redis_errors import BACKOFF_CAP_S, PATIENCE_S, RETRIES, TIMEOUT_S, explained, refuse
from common.values import RecordedCall

_LUA: Final = Path(__file__).parent / "lua"
#: What stands before each script's own lines, in this order.
_PARTS: Final = {
    "acquire": ("clock", "keys", "state", "windows", "outage"),
    "settle": ("clock", "keys", "outage"),
    "release": ("clock", "keys", "outage"),
    "hold": ("clock", "keys", "state"),
    "distrust": ("clock",),
    "usage": ("clock", "keys", "state", "windows"),
    "establish": ("clock", "keys"),
}
#: How connections introduce themselves. redis-py would read its version from the disk for each one.
_DRIVER: Final = DriverInfo()
_KEY_NAMES: Final = ("meta", "log", "queue", "due", "deferred")
#: The scripts' own arguments stand at 5 to 8; what may be many follows.
_OWN_ARGUMENTS: Final = 4


def connect(url: SecretStr) -> redis.Redis:
    """Return a client with short time-outs and few retries; ids make the retries safe. Connects when first used."""
    retry = Retry(ExponentialWithJitterBackoff(base=0.05, cap=BACKOFF_CAP_S), RETRIES)
    return redis.Redis.from_url(
        url.get_secret_value(),
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=retry,
        driver_info=_DRIVER,
    )


def load_scripts(client: redis.Redis) -> dict[str, Script]:
    """Return every script by name. Each is sent once; EVALSHA then names it, also after Redis forgot it."""
    return {
        name: client.register_script("\n".join(_source(part) for part in (*parts, name)))
        for name, parts in _PARTS.items()
    }


@cache
def _source(name: str) -> str:
    return (_LUA / f"{name}.lua").read_text(encoding="utf-8")


def text(value: object) -> str:
    """Return a reply's string: bytes, unless the client decodes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def micro(seconds: float) -> int:
    """Return whole microseconds, the scripts' unit."""
    return round(seconds * MICROSECONDS)


def keys_of(digest: str) -> list[str]:
    """Return the names of the keys of one API key, under one hash tag, in the scripts' order."""
    return [f"quota:{{{digest}}}:{name}" for name in _KEY_NAMES]


def as_arguments(quota: Quota) -> list[int]:
    """Return the windows as the scripts take them: limit and period of each."""
    return [number for window in quota.windows for number in (window.limit, micro(window.period_s))]


class LimiterScripts:
    """The scripts, applied to the keys of one API key. Thread-safe. ``key_digest`` stands for the API key in names."""

    def __init__(self, client: redis.Redis, quota: Quota, key: SecretStr, monotonic: Callable[[], float]) -> None:
        self._client = client
        self._quota = quota
        self._timeline = Timeline(PATIENCE_S, monotonic)
        self._scripts = load_scripts(client)
        self.key_digest = key_digest(key)
        self._keys = keys_of(self.key_digest)
        self._windows = as_arguments(quota)

    def decide(self, script: str, *own: object) -> list[Any]:
        """Run a script that relies on the state; return [tag, now, …]. Raises a LimiterUnavailable."""
        padding = [""] * (_OWN_ARGUMENTS - len(own))
        for last_try in (False, True):
            view = (*self._timeline.known(), self._timeline.not_after())
            tag, now, *rest = self._run(script, [*view, *own, *padding, *self._windows])
            if tag != "late":
                break
            if last_try:  # we were held up, or had an old view of the clock; nothing was consumed
                raise LimiterUnreachable("No call is made: Redis answered too late, twice. Ask again.")
        self._timeline.remember(text(rest[0]), now if tag == "granted" else 0)
        return [tag, now, *rest]

    def end(self, script: str, permit_id: str, verdict: str) -> None:
        """Run a script that needs no decision: it settles or gives back a permit."""
        self._run(script, ["", "", "", permit_id, verdict])

    def establish(self, purpose: str, calls: Iterable[RecordedCall], *, wait_out_s: float, cap_s: float) -> bool:
        """Make the state known; return whether it was not so before. A permit that the log knows too counts once."""
        times = (micro(wait_out_s), micro(self._quota.windows[-1].period_s), micro(cap_s))
        known = [part for call in calls for part in (micro(call.age_s), call.permit_id)]
        tag, *_ = self._run("establish", ["", "", "", uuid4().hex[:8], purpose, *times, *known])
        return bool(tag == "established")

    def inspect(self) -> tuple[float, dict[str, Any]]:
        """Return the latency (s) and INFO. Raises LimiterRedisUnfit if Redis may evict keys, or is a replica."""
        with explained():
            started = time.monotonic()
            self._client.ping()
            latency_s = time.monotonic() - started
            info: dict[str, Any] = self._client.info()
        policy = info.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            raise LimiterRedisUnfit(f"Redis may evict the quota: set maxmemory-policy noeviction, not {policy}.")
        if info.get("role", "master") != "master":
            raise LimiterRedisUnfit("this Redis is a read-only replica: point LIMITER_REDIS_URL at the primary.")
        return latency_s, info

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _run(self, script: str, arguments: list[Any]) -> list[Any]:
        sent = self._timeline.clock()
        with explained():
            reply: list[Any] = self._scripts[script](keys=self._keys, args=[str(self._quota), *arguments])
        tag, now, rest = text(reply[0]), int(reply[1]), reply[2:]
        if self._timeline.stepped(sent, now) and self._distrusted():
            tag, rest = "unknown", ["clock_ahead"]
        refuse(tag, text(rest[0]) if rest else "", str(self._quota))
        return [tag, now, *rest]

    def _distrusted(self) -> bool:
        """Tell everybody that Redis's clock jumped ahead; return False if the log was rebuilt since we saw it."""
        epoch, _ = self._timeline.known()
        with explained():
            reply: list[Any] = self._scripts["distrust"](keys=self._keys, args=["", epoch, "", "", "clock_ahead"])
        return text(reply[0]) == "distrusted"
