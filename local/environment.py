"""The environment of the cluster's processes: the shared settings, what a person tunes, addresses and secrets."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from common.settings import DagSettings, Settings
from local.state import ROOT, STATE_VARIABLE, State

#: What a person sets, and the Airflow setting that it stands for.
TUNABLES: Final[Mapping[str, str]] = {
    "PARALLELISM": "AIRFLOW__CORE__PARALLELISM",
    "WORKER_CONCURRENCY": "AIRFLOW__CELERY__WORKER_CONCURRENCY",
    "WORKER_AUTOSCALE": "AIRFLOW__CELERY__WORKER_AUTOSCALE",
}
_OURS: Final = frozenset(name.upper() for model in (Settings, DagSettings) for name in model.model_fields)


def person_settings(dotenv: Path = ROOT / ".env") -> dict[str, str]:
    """Return what the person set: ``.env``, overridden by the environment; empty values count as not set."""
    file = {name: value for name, value in dotenv_values(dotenv).items() if value}
    shell = {name: value for name, value in os.environ.items() if value and _is_setting(name)}
    return file | shell


def _is_setting(name: str) -> bool:
    base = name.removesuffix("_FILE")
    return base in _OURS or base in TUNABLES or name.startswith("AIRFLOW__")


def cluster_environment(state: State, ports: Mapping[str, int], person: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment that every process of the cluster gets."""
    shared = {name: value or "" for name, value in dotenv_values(ROOT / "config" / "airflow.env").items()}
    tuned = {TUNABLES[name]: value for name, value in person.items() if name in TUNABLES}
    inherited = {name: value for name, value in os.environ.items() if not _is_setting(name)}
    return {
        **inherited,
        **shared,
        **person,
        **tuned,
        **_addresses(state, ports),
        **_secrets(state, ports),
        STATE_VARIABLE: str(state.folder),
    }


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Return the pipeline's settings as the cluster's processes see them."""
    return Settings.from_environment(environment)


def _addresses(state: State, ports: Mapping[str, int]) -> dict[str, str]:
    api = f"http://127.0.0.1:{ports['airflow']}"
    return {
        "PATH": f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "AIRFLOW_HOME": str(state.airflow_home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(state.airflow_home / "plugins"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{api}/execution/",
        "AIRFLOW__API__BASE_URL": api,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(ports["airflow"]),
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(state.airflow_home / "logs"),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": "127.0.0.1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(ports["scheduler_health"]),
        "MARKET_DATABASE_URL": f"postgresql://market_app@127.0.0.1:{ports['postgres']}",
        "LIMITER_REDIS_URL": f"redis://127.0.0.1:{ports['redis']}/1",
        "SANDBOX_URL": f"http://127.0.0.1:{ports['sandbox']}",
        "AIRFLOW__CELERY__FLOWER_HOST": "127.0.0.1",
        "AIRFLOW__CELERY__FLOWER_PORT": str(ports["flower"]),
        "FLOWER_PERSISTENT": "True",
        "FLOWER_DB": str(state.folder / "flower"),
    }


def _secrets(state: State, ports: Mapping[str, int]) -> dict[str, str]:
    secrets = state.secrets()
    server = f"127.0.0.1:{ports['postgres']}"
    airflow = f"postgresql+psycopg2://airflow:{secrets['airflow_db']}@{server}/airflow"
    return {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{airflow}",
        "AIRFLOW__CELERY__BROKER_URL": f"redis://:{secrets['redis']}@127.0.0.1:{ports['redis']}/0",
        "AIRFLOW__CORE__FERNET_KEY": secrets["fernet_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets["jwt_secret"],
        "AIRFLOW__API__SECRET_KEY": secrets["api_secret_key"],
        "MARKET_DB_PASSWORD": secrets["market_app"],
        "REDIS_PASSWORD": secrets["redis"],
        "FLOWER_BASIC_AUTH": f"admin:{secrets['flower']}",
    }


def provisioning_environment(state: State, ports: Mapping[str, int]) -> dict[str, str]:
    """Return what only the init step gets: the rights to make databases, roles and users."""
    secrets = state.secrets()
    return {
        "ADMIN_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{ports['postgres']}/postgres",
        "POSTGRES_PASSWORD": secrets["postgres"],
        "MARKET_OWNER_PASSWORD": secrets["market_owner"],
        "MARKET_READER_PASSWORD": secrets["market_reader"],
        "AIRFLOW_DB_PASSWORD": secrets["airflow_db"],
        "AIRFLOW_ADMIN_PASSWORD": secrets["airflow_admin"],
    }
