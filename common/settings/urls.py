"""What an address in a setting may look like, and how a password gets into it."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pydantic import SecretStr

from common.errors import ConfigurationError

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def require_plain_url(variable: str, url: str) -> None:
    """Refuse what is no http address, with nothing but a host, a port and a path."""
    parts = _split(variable, url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or set(url) & set("@?# "):
        raise ConfigurationError(f"{variable} must be http://host[:port][/path] and nothing more.", variable=variable)


def require_safe_url(variable: str, url: str) -> None:
    """Refuse an API address that would send the key in the clear over a network."""
    parts = _split(variable, url)
    if not parts.hostname or set(url) & set("@?#\\"):
        raise ConfigurationError(f"{variable} must be https://host[:port][/path] and nothing more.", variable=variable)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ConfigurationError(
            f"{variable}={url[:128]!r} would send the API key in the clear: use https, or a loopback address.",
            variable=variable,
        )


def _split(variable: str, url: str) -> SplitResult:
    if not url.isprintable() or " " in url:  # urlsplit would leave out some of them in silence
        raise ConfigurationError(f"{variable} holds a blank or a control character: take it out.", variable=variable)
    try:
        parts = urlsplit(url)
        usable = parts.port != 0 and _is_host(parts.hostname or "localhost")  # a port that is no number raises here
    except ValueError as error:
        raise ConfigurationError(f"{variable} is not a URL: {error}.", variable=variable) from None
    if not usable:
        raise ConfigurationError(f"{variable} is not a URL: there is no such host or port.", variable=variable)
    return parts


_HOST: Final = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)


def _is_host(name: str) -> bool:
    """Whether it is an IPv6 address, or a name as DNS has it. Raises UnicodeError for a name that cannot be one."""
    return ":" in name or bool(_HOST.fullmatch(name.encode("idna").decode()))


def filled_in(parts: Mapping[str, str], password: SecretStr, **more: str) -> SecretStr:
    """Return libpq's URL with a password, unless one stands there already, and with ``more`` parts."""
    from common.database import url  # noqa: PLC0415  a DAG file needs no driver

    secret = password.get_secret_value()
    filled = {**({"password": secret} if secret else {}), **parts, **more}
    return SecretStr(url.write(filled))


def password_in(redis_dsn: SecretStr) -> str:
    """Return the password of a Redis URL; '' where it has none."""
    from common.quota import redis_url  # noqa: PLC0415  a DAG file needs no driver

    return redis_url.password_of(redis_dsn.get_secret_value())
