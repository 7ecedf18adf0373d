"""The environment of the cluster's processes: the shared settings, what a person tunes, addresses and secrets."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from common.errors import ConfigurationError
from common.quota.quota import key_digest
from common.quoting import expanded_names, require_unexpanded, url_part
from common.settings import (
    DagSettings,
    LogSettings,
    MonitoringSettings,
    NotificationSettings,
    PatchSettings,
    PipelineSettings,
)
from local.dotenv_file import read_dotenv
from local.shell import scrubbed
from local.state import ROOT, STATE_VARIABLE, State

#: What a person sets, and the Airflow setting that it stands for.
TUNABLES: Final[Mapping[str, str]] = {
    "PARALLELISM": "AIRFLOW__CORE__PARALLELISM",
    "WORKER_CONCURRENCY": "AIRFLOW__CELERY__WORKER_CONCURRENCY",
    "WORKER_AUTOSCALE": "AIRFLOW__CELERY__WORKER_AUTOSCALE",
}
_OURS: Final = frozenset(
    name.upper()
    for model in (PipelineSettings, DagSettings, PatchSettings, NotificationSettings, MonitoringSettings, LogSettings)
    for name in model.model_fields
)
_COUNT: Final = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)

#: What makes the cluster one: where it connects, what it trusts, who may log in. A person tunes the others in .env.
_FIXED: Final = re.compile(
    r"AIRFLOW__(SECRETS|API_AUTH|FAB)__.*"
    r"|AIRFLOW__CORE__(EXECUTOR|AUTH_MANAGER|FERNET_KEY|DAGS_FOLDER|PLUGINS_FOLDER|EXECUTION_API_|SQL_ALCHEMY|UNIT_TEST).*"
    r"|AIRFLOW__DATABASE__SQL_ALCHEMY_(CONN|SCHEMA|ENGINE).*"
    r"|AIRFLOW__CELERY__(BROKER_URL|RESULT_BACKEND|FLOWER_|SSL_|CELERY_|EXTRA_).*"
    r"|AIRFLOW__API__(HOST|PORT|BASE_URL|SSL_|SECRET_KEY).*"
    r"|AIRFLOW__SCHEDULER__(SCHEDULER_HEALTH_CHECK_SERVER_|ENABLE_HEALTH_CHECK).*"
    r"|AIRFLOW__LOGGING__(BASE_LOG_FOLDER|DAG_PROCESSOR_CHILD|REMOTE_).*"
)


def person_settings(dotenv: Path = ROOT / ".env") -> dict[str, str]:
    """Return what the person set: ``.env``, overridden by the environment; empty values count as not set.

    Airflow's own variables count in ``.env`` alone: a shell may have them for another Airflow.
    Raises ConfigurationError.
    """
    file = {name: value for name, value in read_dotenv(dotenv).items() if value}
    shell = {name: value for name, value in os.environ.items() if value and _is_setting(name)}
    return file | shell


def _is_setting(name: str) -> bool:
    base = name.removesuffix("_FILE")
    return base in _OURS or base in TUNABLES


def cluster_environment(state: State, ports: Mapping[str, int], person: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment that every process of the cluster gets. Raises ConfigurationError."""
    shared = {name: value or "" for name, value in dotenv_values(ROOT / "config" / "airflow.env").items()}
    tuned = {TUNABLES[name]: _checked(name, value) for name, value in person.items() if name in TUNABLES}
    # Airflow would replace them in these paths; one that is not set stays as it is written.
    mentioned = {*expanded_names(str(ROOT)), *expanded_names(str(state.folder))}
    inherited = {
        name: value for name, value in scrubbed(os.environ).items() if not _is_setting(name) and name not in mentioned
    }
    environment = {
        **inherited,
        **shared,
        **{name: value for name, value in person.items() if _may_be_set(name)},
        **({"AIRFLOW__LOGGING__JSON_LOGS": "True"} if LogSettings.from_environment(person).as_json else {}),
        **tuned,
        **_addresses(state, ports),
        **_secrets(state, ports),
        STATE_VARIABLE: str(state.folder),
    }
    require_unexpanded(str(state.folder), environment, "the cluster's folder")
    require_unexpanded(str(ROOT), environment, "the checkout's folder")
    return environment


def _checked(name: str, value: str) -> str:
    """Return the tunable's value. Raises ConfigurationError for what Airflow or Celery would refuse, or drown in."""
    numbers = value.strip().split(",")
    wanted = 2 if name == "WORKER_AUTOSCALE" else 1
    if len(numbers) == wanted and all(_COUNT.fullmatch(number.strip()) for number in numbers):
        most, *least = (int(number) for number in numbers)
        if all(0 < number <= most for number in least):
            return ",".join(number.strip() for number in numbers)
    form = "MAX,MIN slots, such as 8,2" if wanted > 1 else "a number from 1 to 9999"
    raise ConfigurationError(f"{name}={value[:64]!r} cannot be used: it is {form}.", variable=name)


def _may_be_set(name: str) -> bool:
    """Whether a variable of a person's reaches the processes: a setting of ours, or one that tunes Airflow."""
    return _is_setting(name) or (name.startswith("AIRFLOW__") and not _FIXED.fullmatch(name))


def settings_of(environment: Mapping[str, str]) -> PipelineSettings:
    """Return the pipeline's settings as the cluster's processes see them."""
    return PipelineSettings.from_environment(environment)


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
        # Airflow's defaults for these two do not survive a % in AIRFLOW_HOME.
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(
            state.airflow_home / "logs" / "dag_processor"
        ),
        "AIRFLOW__FAB__CONFIG_FILE": str(state.airflow_home / "webserver_config.py"),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": "127.0.0.1",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": str(ports["scheduler_health"]),
        "MARKET_DATABASE_URL": f"postgresql://market_app@127.0.0.1:{ports['postgres']}",
        "MONITOR_AIRFLOW_DATABASE_URL": "",  # beside the market's
        "LIMITER_REDIS_URL": f"redis://127.0.0.1:{ports['redis']}/1",
        "HEALTH_AIRFLOW_URL": api,
        "HEALTH_FLOWER_URL": f"http://127.0.0.1:{ports['flower']}",
        "HEALTH_EXPORTER_URL": f"http://127.0.0.1:{ports['exporter']}",
        "SANDBOX_URL": f"http://127.0.0.1:{ports['sandbox']}",
        "AIRFLOW__CELERY__FLOWER_HOST": "127.0.0.1",
        "AIRFLOW__CELERY__FLOWER_PORT": str(ports["flower"]),
        "PGPASSFILE": str(state.passwords_of_libpq),
        "FLOWER_CONF": str(state.flower_conf),
        "FLOWER_PERSISTENT": "True",
        "FLOWER_DB": str(state.folder / "flower"),
    }


def _secrets(state: State, ports: Mapping[str, int]) -> dict[str, str]:
    secrets = state.secrets()
    server = f"127.0.0.1:{ports['postgres']}"
    airflow = f"postgresql+psycopg2://airflow:{url_part(secrets['airflow_db'], 'AIRFLOW_DB_PASSWORD')}@{server}/airflow"
    broker = f"redis://:{url_part(secrets['redis'], 'REDIS_PASSWORD')}@127.0.0.1:{ports['redis']}/0"
    return {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow,
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{airflow}",
        "AIRFLOW__CELERY__BROKER_URL": broker,
        "AIRFLOW__CORE__FERNET_KEY": secrets["fernet_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets["jwt_secret"],
        "AIRFLOW__API__SECRET_KEY": secrets["api_secret_key"],
        "MARKET_DB_PASSWORD": secrets["market_app"],
        "MARKET_READER_PASSWORD": secrets["market_reader"],
        "MONITOR_DB_PASSWORD": secrets["monitor"],
        "REDIS_PASSWORD": secrets["redis"],
    }


def key_stand_in(settings: PipelineSettings) -> dict[str, str]:
    """Return what shows the quota in place of the API key: the limiter's name of it, empty where there is none."""
    return {"ALPHA_VANTAGE_KEY_DIGEST": "" if settings.uses_sandbox else key_digest(settings.api_key)}


def provisioning_environment(state: State, ports: Mapping[str, int]) -> dict[str, str]:
    """Return what only the init step gets: the rights to make databases, roles and users."""
    secrets = state.secrets()
    return {
        "ADMIN_DATABASE_URL": f"postgresql://postgres@127.0.0.1:{ports['postgres']}/postgres",
        "POSTGRES_PASSWORD": secrets["postgres"],
        "MARKET_OWNER_PASSWORD": secrets["market_owner"],
        "MARKET_READER_PASSWORD": secrets["market_reader"],
        "MONITOR_DB_PASSWORD": secrets["monitor"],
        "AIRFLOW_DB_PASSWORD": secrets["airflow_db"],
        "AIRFLOW_ADMIN_PASSWORD": secrets["airflow_admin"],
    }


def reader_address(state: State, ports: Mapping[str, int], database: str) -> str:
    """Return the URL, with its password, at which ``market_reader`` reads a market database."""
    password = url_part(state.secrets()["market_reader"], "MARKET_READER_PASSWORD")
    return f"postgresql://market_reader:{password}@127.0.0.1:{ports['postgres']}/{database}"
