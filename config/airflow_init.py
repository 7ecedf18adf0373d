"""Migrate Airflow's metadata, make the admin user, let all see the Market page: ``python config/airflow_init.py``.

Airflow's own commands do the same in four, and each spends seconds on starting. Safe to run again, and by several at
once (Airflow's migration takes a lock). AIRFLOW_ADMIN_USER (default ``admin``) and AIRFLOW_ADMIN_PASSWORD (or its
``_FILE``) name the user; the password of an existing one is set again.
"""

import os
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from typing import Final

import alembic.config
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from airflow.providers.fab.www.security.permissions import ACTION_CAN_READ, RESOURCE_PLUGIN
from airflow.utils.db import upgradedb
from airflow.utils.session import create_session
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from common.errors import ConfigurationError
from common.settings import read_variable
from common.settings.monitoring import MONITOR
from workers.airflow_patches import check_setting

#: The tables of Airflow that the exporter reads.
_MONITORED: Final = ("job", "import_error", "dag", "dag_run", "task_instance")
#: Airflow's roles that may see DAGs, but not, as it ships, the pages of plugins.
READERS = ("User", "Viewer")


class LiteralDefaults(ConfigParser):
    """A parser whose defaults are no templates: alembic gives it the folder of Airflow, in whose path may stand a %."""

    def __init__(self, defaults: Mapping[str, str]) -> None:
        super().__init__({name: value.replace("%", "%%") for name, value in defaults.items()})


def main() -> None:
    """Migrate, then make or update the user."""
    alembic.config.ConfigParser = LiteralDefaults  # type: ignore[attr-defined,misc]  # it is imported there
    user = read_variable(os.environ, "AIRFLOW_ADMIN_USER") or "admin"
    password = read_variable(os.environ, "AIRFLOW_ADMIN_PASSWORD")
    if not password:
        raise ConfigurationError("AIRFLOW_ADMIN_PASSWORD is not set.", variable="AIRFLOW_ADMIN_PASSWORD")
    check_setting()  # before any process of Airflow starts, of which each would end with the same sentence
    upgradedb()
    print("Airflow's metadata database is migrated")
    _let_monitor()
    with get_application_builder() as builder:
        provide_admin(builder.sm, user, password)
        let_viewers_see_plugins(builder.sm)


def provide_admin(manager: FabAirflowSecurityManagerOverride, user: str, password: str) -> None:
    """Make the admin user, or set the password of the one that is there."""
    if existing := manager.find_user(username=user):
        manager.reset_password(existing.id, password)
        print(f"the password of {user} is set")
        return
    role = manager.find_role("Admin")
    if not manager.add_user(user, "Admin", "User", f"{user}@localhost.invalid", role, password):
        raise RuntimeError(f"the user {user} could not be made")
    print(f"the user {user} is made")


def let_viewers_see_plugins(manager: FabAirflowSecurityManagerOverride) -> None:
    """Let every role that may see the DAGs see the Market page, which Airflow shows to operators alone otherwise.

    A role that is there already keeps what it has. What the page itself shows is guarded by the right on the DAG.
    """
    permission = manager.create_permission(ACTION_CAN_READ, RESOURCE_PLUGIN)
    for name in READERS:
        manager.add_permission_to_role(manager.find_role(name), permission)
        if permission not in manager.find_role(name).permissions:  # its failure is a line in a log
            raise RuntimeError(f"the role {name} could not be given the right to see the Market page")
    print(f"{' and '.join(READERS)} may see the Market page")


def _let_monitor() -> None:
    """Let the exporter's role, where there is one, read what it counts: no user, connection or variable."""
    with create_session() as session:
        if session.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": MONITOR}):
            session.execute(text(f"GRANT SELECT ON {', '.join(_MONITORED)} TO {MONITOR}"))
            print(f"{MONITOR} may read {', '.join(_MONITORED)}")


if __name__ == "__main__":
    try:
        main()
    except ConfigurationError as problem:
        sys.exit(str(problem))
    except OperationalError as problem:  # the driver's own words name the server, and no password
        said = " ".join(str(problem.orig).split())
        sys.exit(f"Airflow's metadata database cannot be used: {said}; correct its address (AIRFLOW_DATABASE_URL).")
