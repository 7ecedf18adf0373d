"""The quota as somebody sees it who makes no calls and has no key: read, and never written, whatever it looks like."""

from datetime import UTC, datetime
from typing import Any, Final

from pydantic import SecretStr

from common.quota.quota import Quota
from common.quota.redis_clock import MICROSECONDS
from common.quota.redis_errors import explained, refuse
from common.quota.results import Usage, WindowUsage
from common.quota.scripts import as_arguments, connect, keys_of, load_scripts, text

#: A time that never comes: a caller that only looks can't be too late.
_NEVER: Final = 2**53
_UNUSED: Final = ("", "", "")


class QuotaView:
    """What is used of the quota of one API key, named by its digest. Thread-safe; connects when it is first used."""

    def __init__(self, redis_url: SecretStr, quota: Quota, *, key_digest: str) -> None:
        self.quota = quota
        self._client = connect(redis_url)
        self._script = load_scripts(self._client)["usage"]
        self._keys = keys_of(key_digest)

    def usage(self) -> Usage:
        """Return what is used now. Raises a LimiterUnavailable: Redis is away, or nobody has made a call yet."""
        # No epoch is ever seen: only whoever knows one may tell the others that the log cannot be trusted.
        arguments: list[str | int] = [str(self.quota), "", 0, _NEVER, 1, *_UNUSED, *as_arguments(self.quota)]
        with explained():
            reply: list[Any] = self._script(keys=self._keys, args=arguments)
        tag, rest = text(reply[0]), reply[2:]
        refuse(tag, text(rest[0]) if rest else "", str(self.quota))
        return read_usage(reply, self.quota)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def read_usage(answer: list[Any], quota: Quota) -> Usage:
    """Return the answer of ``lua/usage.lua``."""
    _, now, _, next_at, out, waiting, deferred, hold, held_by, *windows = answer
    pairs = zip(quota.windows, windows[::2], windows[1::2], strict=True)
    return Usage(
        at=from_micro(now),
        windows=tuple(WindowUsage(window, used, from_micro(free)) for window, used, free in pairs),
        in_flight=out,
        waiting=waiting,
        deferred=deferred,
        next_at=from_micro(next_at),
        hold_until=from_micro(hold) if hold else None,
        held_by=text(held_by) if hold else "",
    )


def from_micro(microseconds: int) -> datetime:
    """Return a time of Redis's clock (µs since the epoch), in UTC."""
    return datetime.fromtimestamp(microseconds / MICROSECONDS, UTC)
