"""What a local cluster keeps between starts: one folder with its secrets, ports, data and logs."""

import base64
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Final

from common.errors import ConfigurationError
from common.quoting import flower_conf, pgpass_line
from local.ports import reserve

ROOT: Final = Path(__file__).resolve().parent.parent
#: Where a cluster's folder is, if not in the checkout; tests run clusters of their own with it.
STATE_VARIABLE: Final = "PIPELINE_STATE"

#: The ports that we would like; a busy one is replaced by the next free one.
PREFERRED_PORTS: Final[Mapping[str, int]] = {
    "airflow": 8080,
    "flower": 5555,
    "sandbox": 8765,
    "postgres": 25432,  # like all of them below what the system gives to outgoing connections
    "redis": 26380,
    "scheduler_health": 8974,
    "supervisor": 9901,
}
_PASSWORDS: Final = (
    "postgres",
    "airflow_db",
    "market_owner",
    "market_app",
    "market_reader",
    "redis",
    "airflow_admin",
    "flower",
    "supervisor",
)
_SECRETS_FILE: Final = "secrets.json"
#: What the folder may hold before it holds secrets.
_ENTRIES: Final = frozenset({"lock", "logs", "airflow", "ports.json", "secrets.new", "mark", "postgres", "redis"})
_KEYS: Final = ("jwt_secret", "api_secret_key")


@dataclass(frozen=True)
class State:
    """The folder of one local cluster, and what is in it."""

    folder: Path

    @classmethod
    def of_this_checkout(cls) -> "State":
        """Return the state in ``.local`` of the checkout, or where PIPELINE_STATE says."""
        return cls(Path(os.environ.get(STATE_VARIABLE) or ROOT / ".local").resolve())

    @property
    def logs(self) -> Path:
        """Where each process writes its log."""
        return self.folder / "logs"

    @property
    def airflow_home(self) -> Path:
        """Airflow's own folder; task logs are below it."""
        return self.folder / "airflow"

    @property
    def flower_conf(self) -> Path:
        """Flower's own configuration, with its login; ``write_settings`` makes it."""
        return self.folder / "flower.conf.py"

    @property
    def passwords_of_libpq(self) -> Path:
        """libpq's password file, so that `psql "$MARKET_DATABASE_URL"` asks for none; see ``write_settings``."""
        return self.folder / "pgpass"

    @property
    def initialised(self) -> Path:
        """The mark that migrations and users are done, with what they were done for."""
        return self.folder / "initialised"

    def prepare(self) -> None:
        """Make the folders, which only their owner may enter. Raises ConfigurationError for a folder of others."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        strange = sorted({path.name for path in self.folder.iterdir()} - _ENTRIES)
        if strange and not (self.folder / _SECRETS_FILE).exists():
            raise ConfigurationError(
                f"{STATE_VARIABLE} names {self.folder}, which holds other things ({strange[0]}): name a folder of the "
                "cluster's own, for `make clean` deletes it.",
                variable=STATE_VARIABLE,
            )
        self.folder.chmod(0o700)
        for folder in (self.logs, self.airflow_home):
            folder.mkdir(exist_ok=True, mode=0o700)

    def secrets(self) -> dict[str, str]:
        """Return the secrets, generated once at random; the file is readable by its owner only."""
        path = self.folder / _SECRETS_FILE
        known: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        missing = {name: value for name, value in _new_secrets() if name not in known}
        if missing:
            self._write_private(path, json.dumps(known | missing, indent=2))
        return known | missing

    def ports(self) -> dict[str, int]:
        """Return the ports that the cluster was last started with."""
        path = self.folder / "ports.json"
        return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}

    def choose_ports(self) -> tuple[dict[str, int], list[str], list[socket]]:
        """Choose a free port for each server and remember it.

        Returns the ports, what a person should know, and what reserves the ports as long as it is open.
        """
        chosen: dict[str, int] = {}
        notes = []
        held = []
        for name, preferred in PREFERRED_PORTS.items():
            chosen[name], holder = _reserve_near(preferred, taken=set(PREFERRED_PORTS.values()) - {preferred})
            held.append(holder)
            if chosen[name] != preferred:
                notes.append(f"port {preferred} is busy, so {name} listens on {chosen[name]}")
        (self.folder / "ports.json").write_text(json.dumps(chosen, indent=2), encoding="utf-8")
        return chosen, notes, held

    def write_settings(self) -> None:
        """Write libpq's passwords, Flower's login, and an empty airflow.cfg: Airflow's would not bear a % in a path."""
        password = self.secrets()["market_app"]
        line = pgpass_line("127.0.0.1", self.ports()["postgres"], "*", "market_app", password)
        self._write_private(self.passwords_of_libpq, f"{line}\n")
        self._write_private(self.flower_conf, flower_conf({"admin": self.secrets()["flower"]}, "FLOWER_PASSWORD"))
        self._write_private(self.airflow_home / "airflow.cfg", "")

    @staticmethod
    def _write_private(path: Path, text: str) -> None:
        temporary = path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)  # whole or not at all: half a file of secrets would lock people out


def _new_secrets() -> Iterator[tuple[str, str]]:
    for name in _PASSWORDS:
        yield name, secrets.token_urlsafe(24)
    for name in _KEYS:
        yield name, secrets.token_urlsafe(64)
    yield "fernet_key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _reserve_near(preferred: int, taken: Set[int]) -> tuple[int, socket]:
    for port in range(preferred, preferred + 200):
        if port not in taken and (holder := reserve(port)):
            return port, holder
    raise RuntimeError(f"no free port between {preferred} and {preferred + 200} on 127.0.0.1: free one and start again")
