"""A PostgreSQL URL as libpq reads it: its own parser decides, and its own checks of options, without any network."""

import re
from collections.abc import Mapping
from typing import Final

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from common.errors import ConfigurationError
from common.quoting import url_part

_SCHEMES: Final = ("postgresql://", "postgres://")
#: A host that stands in a URL as it is; others, such as a socket's folder, stand among its options.
_PLAIN_HOST: Final = re.compile(r"[A-Za-z0-9_.-]*", re.ASCII)
#: Options that libpq reads as numbers only once it connects over TCP.
_NUMBERS: Final = (
    "connect_timeout", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
)  # fmt: skip
#: Where no server listens: libpq checks every option before it looks.
_NOWHERE: Final = "/nonexistent"


def read(url: str, variable: str) -> dict[str, str]:
    """Return the parts of the URL under libpq's names: host, port, user, password, dbname, sslmode …

    Raises ConfigurationError for what libpq cannot read, and for options or values that it does not know.
    """
    if not url.startswith(_SCHEMES) or not url.isprintable():  # libpq would read up to a NUL
        raise ConfigurationError(f"{variable} must start with postgresql://, and be one line.", variable=variable)
    try:
        parts: dict[str, str] = parse_dsn(url)
        _let_libpq_check(parts)
    except (psycopg2.Error, ValueError):  # its text quotes the part that it cannot read, which may be the password
        raise ConfigurationError(
            f"{variable} is not a PostgreSQL URL, or holds an option or a value that libpq does not know: write "
            "postgresql://user@host:port/database?sslmode=…, and : / @ % in a part as %3A %2F %40 %25.",
            variable=variable,
        ) from None
    return parts


def _let_libpq_check(parts: Mapping[str, str]) -> None:
    """Raise psycopg2.Error for values that libpq refuses: a port, an sslmode, more ports than hosts."""
    count = len((parts.get("hostaddr") or parts.get("host", "")).split(","))
    elsewhere = {"host": ",".join([_NOWHERE] * count), "hostaddr": "", "connect_timeout": "1"}
    if any(not (parts.get(name, "1").isascii() and parts.get(name, "1").isdecimal()) for name in _NUMBERS):
        raise ValueError
    try:
        psycopg2.connect(make_dsn(**{**parts, **elsewhere})).close()
    except psycopg2.OperationalError as error:
        if "connection to server on socket" not in str(error):
            raise


def write(parts: Mapping[str, str]) -> str:
    """Return the URL of libpq's parts."""
    rest = dict(parts)
    credentials = url_part(rest.pop("user", ""), "the user of a URL")
    if "password" in rest:
        credentials += f":{url_part(rest.pop('password'), 'the password of a URL')}"
    hosts, ports = rest.get("host", "").split(","), rest.get("port", "").split(",")
    address = ""
    if all(_PLAIN_HOST.fullmatch(host) for host in hosts) and len(ports) in {1, len(hosts)}:
        ports = ports * len(hosts) if len(ports) == 1 else ports
        address = ",".join(f"{host}:{port}" if port else host for host, port in zip(hosts, ports, strict=True))
        rest = {name: value for name, value in rest.items() if name not in {"host", "port"}}
    path = f"/{url_part(rest.pop('dbname'), 'the database of a URL')}" if "dbname" in rest else ""
    options = "&".join(f"{name}={url_part(value, 'an option of a URL')}" for name, value in rest.items())
    at = "@" if credentials else ""
    return f"postgresql://{credentials}{at}{address}{path}{'?' if options else ''}{options}"
