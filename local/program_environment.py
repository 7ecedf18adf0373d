"""Which program of the cluster gets which variables: what it needs, and no other program's secret."""

from collections.abc import Mapping
from typing import Final

from common.settings.monitoring import BROKER_VARIABLE
from local.services import server_environment

#: What a program needs that is no part of Airflow: where its code and its files are, and which language it speaks.
_PLAIN: Final = frozenset(
    {
        "PATH",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "HOME",
        "LANG",
        "LANGUAGE",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "TMPDIR",
        "LOG_FORMAT",
    }
)
#: Variables, or their beginnings, that only some programs get. A worker's number is cut off its name.
_ONLY_FOR: Final[Mapping[str, frozenset[str]]] = {
    "ALPHA_VANTAGE_API_KEY": frozenset({"worker"}),
    "MARKET_DB_PASSWORD": frozenset({"worker"}),
    "MARKET_READER_PASSWORD": frozenset({"api-server"}),
    "ALERT_URLS": frozenset({"worker", "exporter"}),
    "REDIS_PASSWORD": frozenset({"worker", "exporter", "api-server"}),  # the last two show the quota
    "MONITOR_DB_PASSWORD": frozenset({"exporter"}),
    "AIRFLOW__API_AUTH__JWT_SECRET": frozenset({"api-server", "scheduler"}),  # who issues or checks tokens
    "FLOWER_": frozenset({"flower"}),
    # What only Compose, or the step that makes databases and users, reads from .env.
    "POSTGRES_PASSWORD": frozenset(),
    "AIRFLOW_DB_PASSWORD": frozenset(),
    "MARKET_OWNER_PASSWORD": frozenset(),
    "AIRFLOW_ADMIN_PASSWORD": frozenset(),
    "FERNET_KEY": frozenset(),
    "API_SECRET_KEY": frozenset(),
    "JWT_SECRET": frozenset(),
}


def environment_of(program: str, everything: Mapping[str, str]) -> dict[str, str]:
    """Return the program's part of the cluster's environment."""
    kind = program.partition("-")[0] if program.startswith("worker-") else program
    if kind in {"postgres", "redis", "prometheus", "alertmanager"}:
        return server_environment()
    if kind in {"sandbox", "manager"}:
        return {name: value for name, value in everything.items() if name in _PLAIN}
    if kind == "exporter":  # of Airflow it needs to know where the queue is, and nothing else
        everything = {name: value for name, value in everything.items() if _is_for_exporter(name)}
    return {name: value for name, value in everything.items() if _is_for(kind, name)}


def _is_for_exporter(name: str) -> bool:
    return not name.startswith("AIRFLOW__") or name == BROKER_VARIABLE


def _is_for(kind: str, name: str) -> bool:
    return all(kind in kinds for start, kinds in _ONLY_FOR.items() if name.startswith(start))
