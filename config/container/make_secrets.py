"""Make the secrets that nobody set, and lay every secret where only the services that need it can read it.

``make_secrets.py make`` (the first step of ``docker compose up``); ``show``: how to log in; ``reader-address
HOST:PORT``: where a person's own programs read; ``join HOST``: the lines of a .env with which a second host's workers
join this one. Standard library only.

A secret comes from NAME_FILE or from NAME of .env, else from the volume, else it is made at random once. Each
folder below /run/pipeline is a volume of its own, mounted only into the services that need what is in it.
"""

import base64
import hashlib
import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit

from secret_checks import SecretUnusable, check_mounted, read_file, require_usable

ROOT: Final = Path("/run/pipeline")
#: NAME=value lines of what .env sets, and one file for each NAME_FILE; empty ones count as not set.
GIVEN: Final = Path("/given")
GIVEN_FILES: Final = Path("/run/secrets")
#: The certificate authorities of a person's own servers.
AUTHORITIES: Final = ROOT / "tls" / "ca.pem"
#: Redis's settings, to which the step adds who may log in.
REDIS_CONF: Final = Path(__file__).with_name("redis.conf")


def password() -> str:
    """Return 192 random bits."""
    return secrets.token_urlsafe(24)


def key() -> str:
    """Return 512 random bits, as much as the signature of a token can use."""
    return secrets.token_urlsafe(64)


def fernet_key() -> str:
    """Return a key for Airflow's encryption of connections."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def nothing() -> str:
    """Return what cannot be made up: somebody else's key."""
    return ""


@dataclass(frozen=True)
class Secret:
    """A secret: its variable, the folder that its readers share, and how it is made where nobody sets it."""

    name: str
    folder: str
    make: Callable[[], str] = password

    def file(self, root: Path) -> Path:
        """Return where it lies: in lower case, as Docker's own secrets are named."""
        return root / self.folder / self.name.lower()


SECRETS: Final = (
    Secret("POSTGRES_PASSWORD", "postgres"),
    Secret("REDIS_PASSWORD", "redis"),
    Secret("AIRFLOW_DB_PASSWORD", "init"),
    Secret("MARKET_OWNER_PASSWORD", "init"),
    Secret("MARKET_READER_PASSWORD", "init"),
    Secret("AIRFLOW_ADMIN_PASSWORD", "init"),
    Secret("MARKET_DB_PASSWORD", "market"),
    Secret("MONITOR_DB_PASSWORD", "monitor"),
    Secret("GRAFANA_PASSWORD", "grafana"),
    Secret("ALPHA_VANTAGE_API_KEY", "market", nothing),
    Secret("ALERT_URLS", "alerts", nothing),
    Secret("FERNET_KEY", "airflow", fernet_key),
    Secret("API_SECRET_KEY", "airflow", key),
    Secret("JWT_SECRET", "api", key),
    Secret("FLOWER_PASSWORD", "flower"),
    Secret("AIRFLOW_DATABASE_URL", "airflow", nothing),
    Secret("CELERY_BROKER_URL", "redis", nothing),
)
#: What a second host needs besides addresses; nothing that makes databases, users or tokens.
SHARED: Final = ("REDIS_PASSWORD", "MARKET_DB_PASSWORD", "FERNET_KEY", "API_SECRET_KEY")


def given_values(given: Path = GIVEN, files: Path = GIVEN_FILES) -> dict[str, str]:
    """Return what the person set, by name. NAME wins over NAME_FILE, as everywhere in this project."""
    set_directly = _read_given(given.read_text("utf-8")) if given.exists() else {}
    found = {}
    for secret in SECRETS:
        if value := set_directly.get(secret.name) or read_file(files / secret.name.lower(), secret.name):
            require_usable(secret.name, value)
            found[secret.name] = value
    return found


def _read_given(text: str) -> dict[str, str]:
    """Read NAME=value lines. A value with a line break would pass for other secrets: it is refused."""
    known = {secret.name for secret in SECRETS}
    found: dict[str, str] = {}
    for line in filter(None, text.split("\n")):
        name, is_line, value = line.partition("=")
        if not is_line or name not in known or name in found:
            last = next(reversed(found), "a secret")
            raise SecretUnusable(f"{last} of .env holds a line break: write it in one line.")
        found[name] = value.strip()
    return found


def resolve(given: Mapping[str, str], root: Path = ROOT) -> dict[str, str]:
    """Return every secret's value: given, kept, or new. An empty one stays empty unless it can be made."""
    values = {}
    for secret in SECRETS:
        kept = secret.file(root) if secret.make is not nothing else None  # else what was unset would live on
        old = kept.read_text("utf-8") if kept and kept.exists() else ""
        values[secret.name] = given.get(secret.name) or old or secret.make()
    return values


def composed(values: Mapping[str, str]) -> dict[str, str]:
    """Return what is made of secrets, by file name: addresses (one that was given stays as it is), the key's digest."""
    digest = key_digest(values["ALPHA_VANTAGE_API_KEY"])
    database = values["AIRFLOW_DATABASE_URL"] or airflow_url(values, "postgres:5432")
    return {
        "airflow/sql_alchemy_conn": database,
        "airflow/result_backend": f"db+{database}",
        "monitor/alpha_vantage_key_digest": digest,
        "redis/broker_url": verified(values["CELERY_BROKER_URL"]) or broker_url(values, "redis:6379"),
        "page/market_reader_password": values["MARKET_READER_PASSWORD"],
        "page/alpha_vantage_key_digest": digest,  # as the exporter the page has no key
    }


def key_digest(key: str) -> str:
    """Return what stands for the API key where nobody may have it, as common/quota/quota.py makes it."""
    return hashlib.sha256(key.encode()).hexdigest()[:12] if key else ""


def verified(url: str) -> str:
    """Return a broker's URL that checks the server's certificate: Celery takes any unless it is told."""
    parts = urlsplit(url)
    if parts.scheme != "rediss" or "ssl_cert_reqs" in parse_qs(parts.query):
        return url
    return f"{url}{'&' if parts.query else '?'}ssl_cert_reqs=required"


def redis_conf(password: str) -> str:
    """Return Redis's settings with its one user. A hash needs no quotes, and no message of Redis repeats a password."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    return f"{REDIS_CONF.read_text('utf-8')}user default on #{digest} ~* &* +@all\n"


def airflow_url(values: Mapping[str, str], server: str) -> str:
    """Return the address of Airflow's metadata database at ``server`` (host:port)."""
    return f"postgresql+psycopg2://airflow:{quote(values['AIRFLOW_DB_PASSWORD'], safe='')}@{server}/airflow"


def broker_url(values: Mapping[str, str], server: str) -> str:
    """Return the queue's address at ``server`` (host:port)."""
    return f"redis://:{quote(values['REDIS_PASSWORD'], safe='')}@{server}/0"


def make(given: Mapping[str, str], root: Path = ROOT) -> None:
    """Write every secret that is new or has changed."""
    values = resolve(given, root)
    made = [name for name, value in values.items() if value and name not in given and not _file_of(name, root).exists()]
    for secret in SECRETS:
        write(secret.file(root), values[secret.name])
    for name, value in composed(values).items():
        write(root / name, value)
    write(root / "redis" / "redis.conf", redis_conf(values["REDIS_PASSWORD"]))
    print(f"secrets: {len(given)} given, {len(made)} made at random, the others kept")


def _file_of(name: str, root: Path) -> Path:
    return next(secret.file(root) for secret in SECRETS if secret.name == name)


def write(path: Path, value: str) -> None:
    """Write a file that its group may read and nobody may change; whole or not at all, as it may be read meanwhile."""
    if path.exists() and path.read_text("utf-8") == value:
        return
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600)
    temporary.write_text(value, encoding="utf-8")
    temporary.chmod(0o440)
    temporary.replace(path)


def show(values: Mapping[str, str]) -> None:
    """Print how to log in."""
    print(f"Airflow  user admin, password {values['AIRFLOW_ADMIN_PASSWORD']}")
    print(f"Flower   user admin, password {values['FLOWER_PASSWORD']}")
    print(f"Grafana  user admin, password {values['GRAFANA_PASSWORD']}")


def reader_address(server: str, values: Mapping[str, str]) -> None:
    """Print the address at which a person's own programs read, with PostgreSQL at ``server`` (host:port)."""
    database = "market" if values["ALPHA_VANTAGE_API_KEY"] else "market_sandbox"
    password = quote(values["MARKET_READER_PASSWORD"], safe="")
    print(f"postgresql://market_reader:{password}@{server}/{database}")


def join(host: str, values: Mapping[str, str]) -> None:
    """Print the .env of a second host whose workers join this one, known there as ``host``."""
    postgres, redis, airflow, sandbox = (f"{host}:{port}" for port in published_ports())
    lines = {
        "AIRFLOW_DATABASE_URL": airflow_url(values, postgres),
        "CELERY_BROKER_URL": broker_url(values, redis),
        "EXECUTION_API_URL": f"http://{airflow}/execution/",
        "MARKET_DATABASE_URL": f"postgresql://market_app@{postgres}",
        "LIMITER_REDIS_URL": f"redis://{redis}/1",
        "SANDBOX_URL": f"http://{sandbox}",
        **{name: values[name] for name in SHARED},
    }
    lines |= {name: values[name] for name in ("ALPHA_VANTAGE_API_KEY", "ALERT_URLS") if values[name]}
    for name, value in lines.items():
        print(f"{name}={dotenv_quoted(value)}")


def dotenv_quoted(value: str) -> str:
    """Return a value as Compose's .env takes it: in double quotes a backslash stands before what means something."""
    if not set(value) & set(" #$'\"\\`"):
        return value
    for special in '\\"$':
        value = value.replace(special, f"\\{special}")
    return f'"{value}"'


def published_ports() -> tuple[str, ...]:
    """Return the ports of PostgreSQL, Redis, Airflow and the sandbox on this host, as Compose passes them on."""
    usual = {"POSTGRES_PORT": "5432", "REDIS_PORT": "6379", "AIRFLOW_PORT": "8080", "SANDBOX_PORT": "8765"}
    return tuple(os.environ.get(name) or port for name, port in usual.items())


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit code."""
    match arguments:
        case ["make"]:
            check_mounted(AUTHORITIES)
            make(given_values())
        case ["show"]:
            show(resolve(given_values()))
        case ["reader-address", server]:
            reader_address(server, resolve(given_values()))
        case ["join", host]:
            join(host, resolve(given_values()))
        case ["--help" | "-h"]:
            print(__doc__)
        case _:
            print("usage: make_secrets.py make | show | reader-address HOST:PORT | join HOST", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        code = main(sys.argv[1:])
        sys.stdout.flush()  # here, where a reader that has gone is expected
    except SecretUnusable as problem:
        sys.exit(str(problem))
    except OSError as problem:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains of it once more
        sys.exit(1 if isinstance(problem, BrokenPipeError) else f"{problem.strerror}: {problem.filename or 'output'}")
    sys.exit(code)
