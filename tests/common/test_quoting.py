"""Each function of common/quoting.py by round trips through the real program, and nothing of a value in any log.

Many values go through one process: as users of one Redis, words of one command, roles of one PostgreSQL.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
import redis
import requests
from kombu.utils.url import parse_url
from psycopg2 import sql
from psycopg2.extensions import encrypt_password, parse_dsn
from redis.backoff import NoBackoff
from redis.retry import Retry
from requests.auth import HTTPBasicAuth
from sqlalchemy.engine import make_url

from common import quoting
from common.errors import ConfigurationError
from local.server_user import as_server_user
from local.services import Postgres, find_redis
from local.temporary import free_port, running, wait_until
from tests.support import values

pytestmark = pytest.mark.timeout(600)

PASSWORDS = values.passwords()
FOLDERS = list(dict.fromkeys(values.folders(max(values.COUNT // 5, 10))))
#: Long enough to be recognised where it must not stand.
MARK = "MARKED7QX"


def shown(log: Path) -> list[str]:
    """Return the values that a log shows."""
    text = log.read_text("utf-8", errors="replace")
    return [value for value in PASSWORDS if len(value) > 7 and value in text]


def refused(function: Callable[..., str], *arguments: object) -> str:
    """Return the sentence with which a function refuses, '' if it does not."""
    try:
        function(*arguments)
    except ConfigurationError as error:
        return str(error)
    return ""


@contextlib.contextmanager
def redis_with(folder: Path, lines: list[str], password: str | None = None) -> Iterator[redis.Redis]:
    """Run a Redis with this configuration, on a socket alone."""
    folder.mkdir(exist_ok=True)
    configuration, log, socket = folder / "redis.conf", folder / "log", folder / "s"
    configuration.write_text("\n".join(["port 0", f"unixsocket {socket}", 'save ""', *lines, ""]), encoding="utf-8")
    with running([str(find_redis()), str(configuration)], log):
        client = redis.Redis(unix_socket_path=str(socket), password=password, retry=Retry(NoBackoff(), 0))
        try:
            wait_until(client.ping, f"Redis answers: {log}", 10)
            yield client
        finally:
            client.close()
    assert shown(log) == []


def test_redis_takes_every_password(services_folder: Path):
    """Users of one redis.conf log in with their passwords, each written by redis_conf, each put into a URL."""
    folder = services_folder / "redis-users"
    lines = [f"user u{n} on {quoting.redis_conf(f'>{value}', 'p')} ~* +@all" for n, value in enumerate(PASSWORDS)]
    with redis_with(folder, lines):
        for n, value in enumerate(PASSWORDS):
            url = f"unix://u{n}:{quoting.url_part(value, 'p')}@{folder / 's'}"
            with redis.Redis.from_url(url) as known:
                assert known.ping(), value


@pytest.mark.parametrize("number", range(20))  # not the values: processes side by side generate different ones
def test_requirepass_takes_a_password(services_folder: Path, number: int):
    """The default user's password, as this project sets it."""
    value = PASSWORDS[number * len(PASSWORDS) // 20]
    with redis_with(
        services_folder / "requirepass", [f"requirepass {quoting.redis_conf(value, 'p')}"], value
    ) as client:
        assert client.ping()


def test_redis_takes_every_folder(services_folder: Path):
    """CONFIG GET dir is the folder that stands in the file."""
    for name in FOLDERS[:: max(1, len(FOLDERS) // 20)]:
        folder = services_folder / "dirs" / name
        folder.mkdir(parents=True)
        with redis_with(services_folder / "dir", [f"dir {quoting.redis_conf(str(folder), 'the folder')}"]) as client:
            assert client.config_get("dir")["dir"] == str(folder)


def test_supervisord_takes_commands_and_folders(services_folder: Path):
    """Every value arrives as a word of a command; every folder is where a program runs and where its log is."""
    base = services_folder / "supervisord"
    base.mkdir()
    script = "import os,sys; print(os.getcwd(), *sys.argv[1:], sep='\\0', end='\\0', flush=True)"
    sections = [_program("words", [sys.executable, "-c", script, *PASSWORDS], base, base)]
    for n, name in enumerate(FOLDERS):
        (base / name).mkdir()
        sections.append(_program(f"p{n}", ["/bin/pwd"], base / name, base / name))
    _supervise(base, sections)
    assert (base / "log").read_text("utf-8").split("\0")[:-1] == [str(base), *PASSWORDS]
    for name in FOLDERS:
        assert (base / name / "log").read_text("utf-8") == f"{base / name}\n"


def _program(name: str, command: list[str], directory: Path, logs: Path, environment: str = "") -> str:
    return (
        f"[program:{name}]\ncommand={quoting.supervisor_command(command, 'c')}\n"
        f"directory={quoting.supervisor_value(str(directory), 'd')}\n"
        f"stdout_logfile={quoting.supervisor_log(str(logs / 'log'), 'l')}\nredirect_stderr=true\n"
        f"environment={environment}\nautorestart=false\nstartsecs=0\n"
    )


def _supervise(base: Path, sections: list[str]) -> None:
    """Run supervisord until each program has ended."""
    configuration, log = base / "supervisord.conf", base / "supervisord.log"
    header = f"[supervisord]\nlogfile={log}\npidfile={base / 'pid'}\nnodaemon=true\n"
    header += "user=root\n" if os.geteuid() == 0 else ""
    configuration.write_text(header + "".join(sections), encoding="utf-8")
    command = [str(Path(sys.executable).parent / "supervisord"), "-c", str(configuration)]
    ended = lambda: log.exists() and log.read_text("utf-8").count("exited: ") == len(sections)  # noqa: E731
    with running(command, base / "out"):
        wait_until(ended, f"all {len(sections)} programs end: {base / 'out'}", 15)
    assert shown(log) == shown(base / "out") == []


def test_supervisord_takes_or_refuses_an_environment(services_folder: Path):
    """A value arrives as it is, or is refused by one sentence that does not hold it."""
    base = services_folder / "supervisord-env"
    base.mkdir()
    taken = {}
    for n, value in enumerate(PASSWORDS):
        refusal = refused(quoting.supervisor_environment, {f"V{n}": value})
        if refusal:
            assert "quotes" in refusal
            assert len(value) < 4 or value not in refusal
        else:
            taken[f"V{n}"] = value
    assert len(taken) > len(PASSWORDS) // 3
    script = "import os; print(*(f'{k}={v}' for k, v in os.environ.items() if k[0] == 'V'), sep='\\0', end='\\0')"
    environment = quoting.supervisor_environment(taken)
    _supervise(base, [_program("e", [sys.executable, "-c", script], base, base, environment)])
    arrived = dict(line.split("=", 1) for line in (base / "log").read_text("utf-8").split("\0")[:-1])
    assert {name: arrived.get(name) for name in taken} == taken


def test_a_shell_takes_every_value():
    """printf in /bin/sh prints each word as it was."""
    line = " ".join(quoting.shell(value, "v") for value in PASSWORDS)
    done = subprocess.run(["/bin/sh", "-c", f"printf '%s\\0' {line}"], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == PASSWORDS


def test_every_url_gives_its_parts_back():
    """libpq, SQLAlchemy, redis-py and kombu read user, password and name as they were."""
    for value in PASSWORDS:
        part = quoting.url_part(value, "p")
        assert parse_dsn(f"postgresql://{part}:{part}@h:1/{part}") == {
            "user": value, "password": value, "host": "h", "port": "1", "dbname": value,
        }  # fmt: skip
        assert make_url(f"postgresql+psycopg2://u:{part}@h:1/d").password == value
        assert redis.connection.parse_url(f"redis://{part}:{part}@h:1/0")["password"] == value
        assert parse_url(f"redis://:{part}@h:1/0")["password"] == value


def test_postgres_takes_every_password(postgres: Postgres, tmp_path: Path):
    """Roles log in by a URL, and by libpq's own password file."""
    lines = []
    with contextlib.closing(psycopg2.connect(postgres.url())) as admin, admin, admin.cursor() as cursor:
        for n, value in enumerate(PASSWORDS):
            hidden = encrypt_password(value, f"q{n}", scope=admin, algorithm="scram-sha-256")
            cursor.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(f"q{n}"), sql.Literal(hidden))
            )
            lines.append(quoting.pgpass_line("127.0.0.1", postgres.port, "postgres", f"q{n}", value))
    passfile = tmp_path / "pgpass"
    passfile.touch(0o600)
    passfile.write_text("\n".join(lines), encoding="utf-8")
    try:
        for n, value in enumerate(PASSWORDS):
            url = f"postgresql://q{n}:{quoting.url_part(value, 'p')}@127.0.0.1:{postgres.port}/postgres"
            psycopg2.connect(url).close()
            psycopg2.connect(
                host="127.0.0.1", port=postgres.port, dbname="postgres", user=f"q{n}", passfile=str(passfile)
            ).close()
    finally:
        with contextlib.closing(psycopg2.connect(postgres.url())) as admin, admin, admin.cursor() as cursor:
            cursor.execute("; ".join(f"DROP ROLE q{n}" for n in range(len(PASSWORDS))))


def test_initdb_takes_a_password(services_folder: Path):
    """The superuser of a new server logs in with a password that holds everything."""
    server = Postgres(services_folder / "initdb" / "it's (2)", free_port(), " p@ss:w/rd#1% $x\\ \"'ü,; ", durable=False)
    server.initialise()
    log = services_folder / "initdb" / "log"
    with running(server.command(), log, folder=server.folder, user=as_server_user(), stop=signal.SIGINT):
        wait_until(lambda: psycopg2.connect(server.url()).close() is None, "PostgreSQL answers")


def test_flower_takes_or_refuses_a_password(services_folder: Path, redis_url: str):
    """Each user logs in with the password of the file; what is not ASCII is refused by a sentence."""
    users = {}
    for n, value in enumerate(PASSWORDS):
        refusal = refused(quoting.flower_conf, {"admin": value}, "FLOWER_PASSWORD")
        if refusal:
            assert not value.isascii()
            assert len(value) < 4 or value not in refusal
        else:
            users[f"u{n}"] = value
    assert len(users) > len(PASSWORDS) // 3
    folder = services_folder / "flower"
    folder.mkdir()
    (folder / "conf").write_text(quoting.flower_conf(users, "p"), encoding="utf-8")
    port = free_port()
    command = [
        str(Path(shutil.which("env") or "env")),
        f"FLOWER_CONF={folder / 'conf'}",
        sys.executable,
        "-m",
        "celery",
    ]
    command += [f"--broker={redis_url}", "flower", "--address=127.0.0.1", f"--port={port}"]
    url = f"http://127.0.0.1:{port}"
    with running(command, folder / "log"), requests.Session() as session:
        session.trust_env = False
        wait_until(lambda: session.get(f"{url}/healthcheck", timeout=5).ok, f"Flower answers: {folder / 'log'}", 15)
        for user, value in users.items():
            basic = HTTPBasicAuth(user.encode(), value.encode())
            assert session.get(f"{url}/tasks", auth=basic, timeout=20).status_code == 200, value
        assert session.get(f"{url}/tasks", auth=HTTPBasicAuth("u0", "no"), timeout=20).status_code == 401
    assert shown(folder / "log") == []


@pytest.mark.parametrize("name", ["redis_conf", "supervisor_value", "shell", "url_part"])
@pytest.mark.parametrize("value", [f"{MARK}\0", f"{MARK}\ud800"])
def test_unpassable_value_is_refused(name: str, value: str):
    """A sentence names what it is and the program, and does not hold the value."""
    with pytest.raises(ConfigurationError, match="REDIS_PASSWORD cannot be passed on") as raised:
        getattr(quoting, name)(value, "REDIS_PASSWORD")
    assert MARK not in str(raised.value)
