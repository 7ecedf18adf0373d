"""The init step: databases, roles, tables and the admin user, made again where what makes them has changed."""

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from typing import Final

from local.state import ROOT, State
from local.waiter import ClusterFailed

_COMMANDS: Final = (("-m", "common.migrate"), ("config/airflow_init.py",))
#: What makes it necessary again: our migrations, Airflow's version, the init step itself.
_INPUTS: Final = (
    "requirements.lock",
    "config/airflow_init.py",
    "common/migrate.py",
    "common/database/migrations/versions/*.py",
)


def is_done(state: State) -> bool:
    """Whether this very version ran to its end there."""
    return state.initialised.exists() and state.initialised.read_text("utf-8") == _fingerprint()


def run(state: State, environment: Mapping[str, str]) -> None:
    """Run it against servers that are up. Raises ClusterFailed."""
    log = state.logs / "init.log"
    for command in _COMMANDS:
        with log.open("ab") as output:
            done = subprocess.run(  # noqa: S603  our own command
                [sys.executable, *command], env=dict(environment), cwd=ROOT, stdout=output, stderr=output, check=False
            )
        if done.returncode:
            raise ClusterFailed(f"{' '.join(command)} failed: see {log}")
    state.initialised.write_text(_fingerprint(), encoding="utf-8")


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for pattern in _INPUTS:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()
