"""Why no call is made: what Redis, the scripts and redis-py say, as errors that name the remedy."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import redis

from common.errors import (
    LimiterQuotaChanged,
    LimiterRedisUnfit,
    LimiterStateUnknown,
    LimiterUnavailable,
    LimiterUnreachable,
)

TIMEOUT_S: Final = 2.0
RETRIES: Final = 2
BACKOFF_CAP_S: Final = 0.5
#: The longest that all tries of one call can take, when Redis accepts connections but doesn't answer.
PATIENCE_S: Final = (RETRIES + 1) * TIMEOUT_S + RETRIES * BACKOFF_CAP_S

#: Every right that the limiter uses: of its connection and its health, and of the commands in common/quota/lua.
RIGHTS: Final = (
    "~quota:* +select +ping +info +evalsha +script|load +time +exists +del +hset +hget +hmget +hdel +hincrby +zadd "
    "+zcard +zcount +zrange +zrangebyscore +zrank +zrem +zremrangebyscore +zscore"
)

#: Redis's error code -> what it means and what to do.
_REMEDIES: Final = {
    "OOM": "Redis is full (maxmemory): give it more memory, or move what else is stored there to another server.",
    "READONLY": "this Redis is a read-only replica: point LIMITER_REDIS_URL at the primary.",
    "MISCONF": "Redis cannot write to its disk: free or repair the disk that holds its data.",
    "NOREPLICAS": "Redis has fewer replicas than it must have (min-replicas-to-write): bring them back.",
    "NOAUTH": "Redis asks for a password: set REDIS_PASSWORD.",
    "WRONGPASS": "Redis refuses the password: check REDIS_PASSWORD.",
    "CERTIFICATE_VERIFY_FAILED": "Redis's certificate is not accepted: LIMITER_REDIS_URL must name the host that it is "
    "for, and the file of the authority that signed it (ssl_ca_certs).",
    "NOPERM": f"the Redis user lacks rights: run `ACL SETUSER name {RIGHTS}` with LIMITER_REDIS_URL's user.",
    "DB index": "Redis has no database of this number: correct the one in LIMITER_REDIS_URL, or raise its `databases`.",
    "WRONGTYPE": "other data stands under the limiter's keys: give the limiter a Redis database of its own.",
}


#: redis-py replaces some of Redis's codes by classes of its own.
_KINDS: Final[dict[type[Exception], str]] = {
    redis.OutOfMemoryError: "OOM",
    redis.ReadOnlyError: "READONLY",
    redis.AuthenticationError: "WRONGPASS",
    redis.exceptions.NoPermissionError: "NOPERM",
}

#: How Redis says, in place of a code, that a script uses a command or a key to which its user has no right.
_NO_RIGHT: Final = ("can't run this command", "ACL failure", "can't access at least one of the keys")

#: The scripts' code -> what happened. Rebuilding the log from the ledger is the remedy for each.
_UNKNOWN: Final = {
    "missing": "Redis does not know the calls made so far: it is new, lost its data, or is another database",
    "log_missing": "Redis lost calls that it had recorded: it evicts keys, or somebody deleted them",
    "rolled_back": "Redis is older than it was: a replica or a backup took over",
    "clock_behind": "Redis's clock went back, so the age of the calls is unknown",
    "clock_ahead": "Redis's clock jumped ahead, so the age of the calls is unknown",
}


def refuse(tag: str, detail: str, configured: str) -> None:
    """Raise what a script's refusal means; return if it is none."""
    if tag == "unknown":
        raise LimiterStateUnknown(
            f"No call is made: {_UNKNOWN[detail]}. The limiter is rebuilt from the ledger of calls (recover).",
            cause=detail,
        )
    if tag == "dirty":
        raise LimiterStateUnknown(
            "This is no fresh installation: Redis has traces of calls. Rebuild the limiter from the ledger (recover).",
            cause="missing",
        )
    if tag == "quota":
        raise LimiterQuotaChanged(
            f"No call is made: this process was set up for the quota {configured}, but {detail} is in force. Restart "
            "it with the settings of the others, or put the new quota in force by the init step (adopt).",
            configured=configured,
            in_force=detail,
        )


@contextmanager
def explained() -> Iterator[None]:
    """Turn redis-py's errors into ours. The cause is dropped: it may quote what was sent."""
    try:
        yield
    except redis.RedisError as error:
        raise _explain(error) from None


def _explain(error: redis.RedisError) -> LimiterUnavailable:
    said = str(error)
    if any(sign in said for sign in _NO_RIGHT):
        said = "NOPERM"
    for code, remedy in _REMEDIES.items():
        if code in said or _KINDS.get(type(error)) == code:
            return LimiterRedisUnfit(f"No call is made: {remedy}")
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        return LimiterUnreachable(
            f"No call is made: the limiter's Redis does not answer ({type(error).__name__}). Check that it runs and "
            "that LIMITER_REDIS_URL names it; the task comes back by itself.",
            retry_after_s=PATIENCE_S,
        )
    return LimiterRedisUnfit(f"No call is made: Redis refused the limiter's command: {said[:200]!r}.")
