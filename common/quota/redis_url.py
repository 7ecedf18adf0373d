"""A Redis URL as redis-py reads it: its own parser and its own connection decide, without any network."""

import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import redis
from redis.connection import parse_url

from common.errors import ConfigurationError
from common.quoting import url_part

#: The options that a URL may set. redis-py has more, which change what the limiter relies on.
OPTIONS: Final = frozenset({
    "client_name", "db", "health_check_interval", "max_connections", "password", "protocol", "socket_connect_timeout",
    "socket_keepalive", "socket_timeout", "ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile",
    "ssl_check_hostname", "ssl_keyfile", "username",
})  # fmt: skip
_MAX_DATABASE: Final = 99_999
_MAX_TIMEOUT_S: Final = 3600.0
_DATABASE: Final = re.compile(r"/?[0-9]{0,5}/?", re.ASCII)
#: What CLIENT SETNAME takes (https://redis.io/docs/latest/commands/client-setname/).
_CLIENT_NAME: Final = re.compile(r"[!-~]*", re.ASCII)
_FORMS: Final = "redis://host:6379/1, rediss://host:6379/1 for TLS, or unix:///path/to/redis.sock?db=1"


def check(url: str, variable: str) -> None:
    """Raise ConfigurationError for what redis-py cannot use, which it would say only when a task connects."""
    try:
        problem = next(_problems(url), "")
    except (ValueError, TypeError, redis.RedisError):  # its text may quote a password
        problem = "redis-py cannot read it"
    if problem:
        raise ConfigurationError(f"{variable} cannot be used: {problem}. Write {_FORMS}.", variable=variable)


def _problems(url: str) -> Iterator[str]:
    """Yield what is wrong; only the first is asked for, and what stands below relies on it."""
    parts = urlsplit(url)
    if not url.isprintable() or " " in url:
        yield "it holds a blank or a control character, which stands as %20 in a part"
    if parts.scheme not in {"redis", "rediss", "unix"} or not url.startswith(f"{parts.scheme}://"):
        yield "it must start with redis://, rediss:// or unix://"
    if parts.fragment:
        yield "it has a #, which stands as %23 in a password"
    if {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - OPTIONS:
        yield f"it holds an option that is none of {', '.join(sorted(OPTIONS))}"
    if parts.scheme != "rediss" and "ssl_" in parts.query:
        yield "an ssl_ option needs rediss://"
    if parts.scheme == "unix" and (not parts.path or parts.hostname):
        yield "a socket's path follows three slashes"
    if parts.scheme != "unix" and not _DATABASE.fullmatch(parts.path):
        yield "what follows the host is the database, a number"
    read = _parsed(url)
    if not 0 <= read.get("db", 0) <= _MAX_DATABASE:
        yield "the database is a number from 0"
    if any(isinstance(value, float) and not 0 < value <= _MAX_TIMEOUT_S for value in read.values()):
        yield "a time-out is a number of seconds above 0"
    if not _CLIENT_NAME.fullmatch(str(read.get("client_name", ""))):
        yield "client_name is one word of ASCII"
    redis.ConnectionPool.from_url(url).make_connection()  # refuses options of another scheme, and unknown values


def _parsed(url: str) -> dict[str, Any]:
    return dict(parse_url(url))  # type: ignore[no-untyped-call]  # redis-py's


def with_password(url: str, password: str) -> str:
    """Return the URL with the password in it, unless one stands there already."""
    if not password or "password" in _parsed(url):
        return url
    scheme, _, rest = url.partition("://")
    user, at, others = rest.rpartition("@") if "@" in re.split(r"[/?]", rest, maxsplit=1)[0] else ("", "", rest)
    return f"{scheme}://{user.removesuffix(':') if at else ''}:{url_part(password, 'REDIS_PASSWORD')}@{others}"


def password_of(url: str) -> str:
    """Return the password that stands in the URL, '' for none."""
    return str(_parsed(url).get("password", ""))
