"""What a local cluster keeps between starts: a folder with its secrets, ports (and the preferred ones), data, logs."""

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
from local.leftovers import MARK
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
    "exporter": 9464,
    "prometheus": 9090,
    "alertmanager": 9093,
}
_PASSWORDS: Final = (
    "postgres",
    "airflow_db",
    "market_owner",
    "market_app",
    "market_reader",
    "monitor",
    "redis",
    "airflow_admin",
    "flower",
    "supervisor",
)
_SECRETS_FILE: Final = "secrets.json"
#: What the folder may hold before it holds secrets, and what only a folder of ours holds.
_ENTRIES: Final = frozenset({"lock", "logs", "airflow", "ports.json", "secrets.new"})
_OURS: Final = (_SECRETS_FILE, MARK, "initialised")
_MAX_PORT: Final = 65_535
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
        if strange and not any((self.folder / name).exists() for name in _OURS):
            raise ConfigurationError(
                f"{STATE_VARIABLE} names {self.folder}, which holds other things ({strange[0]}): name a folder of the "
                "cluster's own, for `make clean` deletes it.",
                variable=STATE_VARIABLE,
            )
        self.folder.chmod(0o700)
        for folder in (self.logs, self.airflow_home):
            folder.mkdir(exist_ok=True, mode=0o700)

    def secrets(self) -> dict[str, str]:
        """Return the secrets, generated once at random; the file is readable by its owner only.

        Raises ConfigurationError where they are lost: the databases know the old ones.
        """
        path = self.folder / _SECRETS_FILE
        if not path.exists():
            known: dict[str, str] = {}
            if (self.folder / "postgres" / "PG_VERSION").exists():
                raise _lost(path, "is missing")
        elif not (known := _texts(path)):
            raise _lost(path, "is damaged")
        missing = {name: value for name, value in _new_secrets() if name not in known}
        if missing:
            self._write_private(path, json.dumps(known | missing, indent=2))
        return known | missing

    def ports(self) -> dict[str, int]:
        """Return the ports that the cluster was last started with; none where that is not known."""
        known = _object(self.folder / "ports.json")
        ports = {name: port for name, port in known.items() if isinstance(port, int) and 0 < port <= _MAX_PORT}
        return {**PREFERRED_PORTS, **ports} if ports and len(ports) == len(known) else {}

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
            file.flush()
            os.fsync(file.fileno())  # or a power cut may leave an empty file under the new name
        temporary.replace(path)  # whole or not at all: half a file of secrets would lock people out


def _object(path: Path) -> dict[str, object]:
    """Return the JSON object in the file; nothing where there is none that can be read."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _texts(path: Path) -> dict[str, str]:
    """Return the texts in a file of secrets; nothing where it is no such file."""
    known = {name: text for name, text in _object(path).items() if isinstance(text, str) and text}
    return known if len(known) == len(_object(path)) else {}


def _lost(path: Path, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{path} {problem}, and the databases open to the passwords in it alone: put it back from a backup, or "
        "`make clean` deletes all that the cluster stored.",
        variable=STATE_VARIABLE,
    )


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
