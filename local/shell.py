"""What the shell of a person may say to the cluster, and what it may not: our own connections are ours alone.

libpq, redis-py, httpx, Airflow, Celery, Flower and Python itself read variables of their own. Somebody who works with
another database, or behind a proxy, has them set; none of them is meant for the cluster's own servers.
"""

import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

#: Variables whose names begin so are read by a library that we use, and steer where it connects or what it runs.
STEERING: Final = (
    "AIRFLOW",
    "_AIRFLOW",
    "ALEMBIC",
    "CELERY",
    "FASTAPI_",
    "FLASK_",
    "FLOWER_",
    "GUNICORN_",
    "KOMBU",
    "OTEL_",
    "PG",
    "PYTHON",
    "REDIS",
    "SANDBOX_",
    "SQLALCHEMY",
    "SUPERVISOR_",
    "UVICORN_",
    "WEB_CONCURRENCY",
)
#: A setting of ours that is named like Airflow's variables, and steers no connection.
_OURS: Final = "AIRFLOW_PATCHES"
#: The hosts of the local cluster, which no proxy may stand before.
OUR_HOSTS: Final = ("127.0.0.1", "localhost", "::1")
_HOST: Final = re.compile(r"\*|\*?\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*(:\d{1,5})?", re.ASCII | re.IGNORECASE)
_BLANK: Final = re.compile(r"[\s\x00-\x1f]")
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ftp_proxy", "ws_proxy", "wss_proxy")


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what steers our own connections, with the provider's proxy alone.

    We speak http to our own servers and https to the provider, so one proxy is left: the one for https.
    """
    kept = {
        name: value
        for name, value in environment.items()
        if (not name.startswith(STEERING) or name == _OURS) and name.lower() not in _PROXIES and name != "VIRTUAL_ENV"
    }
    return kept | provider_proxy(environment)


def provider_proxy(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the proxy for https, '' for none, and the hosts that are reached without it."""
    proxy = next(filter(None, (_either(environment, name) for name in ("https_proxy", "all_proxy"))), "")
    if "://" not in proxy and proxy:
        proxy = f"http://{proxy}"
    direct = ",".join((*OUR_HOSTS, *_hosts(_either(environment, "no_proxy"))))
    found = {"NO_PROXY": direct, "no_proxy": direct}
    if _is_http(proxy):
        found |= {"HTTPS_PROXY": proxy, "https_proxy": proxy}
    return found


def _either(environment: Mapping[str, str], name: str) -> str:
    """Return the variable in lower case, which wins as for curl and Python, or in upper case."""
    return (environment.get(name) or environment.get(name.upper()) or "").strip()


def _hosts(text: str) -> list[str]:
    """Return the entries of NO_PROXY that can be a host, a domain, an address or a network."""
    return [entry for part in text.split(",") if (entry := part.strip()) and _is_host(entry)]


def _is_host(entry: str) -> bool:
    try:
        return bool(_HOST.fullmatch(entry) or ip_network(entry, strict=False))
    except ValueError:
        return False


def _is_http(proxy: str) -> bool:
    """Whether the proxy can be used: SOCKS needs a library that is not installed, and what is no URL ends httpx."""
    try:
        parts = urlsplit(proxy)
        return (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and not _BLANK.search(proxy)
        )
    except ValueError:
        return False


def unusable_proxy(environment: Mapping[str, str]) -> str:
    """Return the name of a variable whose proxy is left out because it cannot be used, '' if there is none."""
    usable = provider_proxy(environment).get("HTTPS_PROXY")
    named = (name for name in ("HTTPS_PROXY", "ALL_PROXY") if _either(environment, name.lower()))
    return "" if usable else next(named, "")


def leave_the_shell(environment: MutableMapping[str, str] = os.environ) -> None:
    """Take out of this process, and of all that it starts, what steers our own connections."""
    if name := unusable_proxy(environment):
        print(f"{name} names no http proxy that can be used: the provider is asked without it", file=sys.stderr)  # noqa: T201  said once, where a person sees it
    wanted = scrubbed(environment)
    for name in [name for name in environment if name not in wanted]:
        del environment[name]
    environment.update(wanted)
