"""A Redis user with exactly the rights that the message names, and no others: the remedy, followed, suffices."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from common.errors import LimiterRedisUnfit
from common.quota.limiter import Limiter
from common.quota.quota import Quota
from common.quota.redis_errors import RIGHTS
from local.services import Redis

USER = "limited"
LUA = Path(__file__).resolve().parents[2] / "common" / "quota" / "lua"


#: What only a failure makes the scripts use, so that this round does without.
SELDOM = {"+del"}


@pytest.fixture
def admin(redis_url: str) -> Iterator[redis.Redis]:
    """An empty database, and who may change users."""
    with redis.Redis.from_url(redis_url) as client:
        client.script_flush()  # others have loaded the same ones
        yield client
        client.execute_command("ACL", "DELUSER", USER)


def grant(admin: redis.Redis, *rights: str) -> None:
    admin.execute_command("ACL", "SETUSER", USER, "reset", "on", ">word", *rights)


def everything(server: Redis) -> None:
    """Use every part of the limiter, as this user, over a connection of its own."""
    url = SecretStr(f"redis://{USER}:word@127.0.0.1:{server.port}/1")
    limiter = Limiter(url, Quota.parse("2/s,9/day"), key=SecretStr("k"), cap_s=1)
    calls: list[Callable[[], object]] = [
        limiter.start_fresh,
        lambda: limiter.acquire("a"),
        lambda: limiter.acquire("b"),
        lambda: limiter.acquire("c"),
        lambda: limiter.acquire("c"),
        lambda: limiter.settle("a"),
        lambda: limiter.release("b"),
        limiter.usage,
        lambda: limiter.hold_back(0.01, "a test"),
        lambda: limiter.acquire("d", horizon_s=0),
        limiter.check,
        lambda: limiter.recover([]),
        lambda: limiter.adopt([]),
    ]
    try:
        for call in calls:
            call()
    finally:
        limiter.close()


def test_rights_are_those_of_scripts():
    """The message names each command of the Lua scripts."""
    used = set(re.findall(r"redis\.call\('(\w+)'", "".join(path.read_text("utf-8") for path in LUA.glob("*.lua"))))
    assert {right[1:].upper() for right in RIGHTS.split()} >= used


def test_exactly_these_rights_suffice(admin: redis.Redis, redis_server: Redis):
    """With them, and nothing else, the limiter does all that it can."""
    grant(admin, *RIGHTS.split())
    everything(redis_server)


@pytest.mark.parametrize("missing", RIGHTS.split())
def test_whatever_is_missing_the_remedy_suffices(admin: redis.Redis, redis_server: Redis, missing: str):
    """One right less: the message's own command, with the user's name, makes it work."""
    grant(admin, *(right for right in RIGHTS.split() if right != missing))
    said = refusal(redis_server)
    if missing in SELDOM:
        assert not said
        return
    command = re.search(r"`(ACL SETUSER name [^`]+)`", said)
    assert command, said
    admin.execute_command(*command[1].replace("name", USER, 1).split())
    admin.flushdb()
    assert not refusal(redis_server)


def refusal(server: Redis) -> str:
    """Return how the limiter refuses, '' if it does not."""
    try:
        everything(server)
    except LimiterRedisUnfit as refused:
        return str(refused)
    return ""
