"""No command ends in a traceback, whatever its surroundings do."""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from common.command_line import ExitCode
from local.leftovers import leftovers
from local.temporary import wait_until
from sandbox.running import RunningSandbox
from tests.support.wiring import wired

ROOT = Path(__file__).resolve().parents[2]
FETCH = ["-m", "workers.fetch_and_store"]
LOCAL = ["-m", "local"]
#: Each command, as a person can type it, and the exit codes that it may end with.
COMMANDS: dict[str, tuple[Sequence[str], set[int]]] = {
    "fetch help": ([*FETCH, "--help"], {0, 1}),
    "fetch symbol": ([*FETCH, "--symbol", "IBM"], {1}),
    "fetch json": ([*FETCH, "--symbol", "IBM", "--json"], {1}),
    "fetch nonsense": ([*FETCH, "--symbol", "\x1b[2J[/red]\udcff"], {2}),
    "probe": ([*FETCH, "--probe", "IBM", "--json"], {1}),
    "health": ([*FETCH, "--health-check"], {1}),
    "quota": ([*FETCH, "--quota", "--json"], {1}),
    "workers help": (["-m", "workers", "quarantine", "replay", "--help"], {0, 1}),
    "quarantine list": (["-m", "workers", "quarantine", "list", "--symbol", "\x1b[2J[/red]"], {2}),
    "quarantine replay": (["-m", "workers", "quarantine", "replay", "--all", "--json"], {1}),
    "reparse": (["-m", "workers", "replies", "reparse", "--dataset", "quotes"], {1}),
    "quality list": (["-m", "workers", "quality", "list", "--check", "\x1b[2J[/red]"], {1}),
    "quality check": (["-m", "workers", "quality", "check", "--all", "--json"], {1}),
    "quality help": (["-m", "workers", "quality", "ack", "--help"], {0, 1}),
    "gaps list": (["-m", "workers", "gaps", "list", "--json"], {1}),
    "gaps mark": (["-m", "workers", "gaps", "mark", "IBM", "2026-10-05", "halted"], {2}),
    "export": (["-m", "workers", "export", "latest_quotes", "--to", "-"], {1}),
    "export help": (["-m", "workers", "export", "--help"], {0, 1}),
    "adjust": (["-m", "workers", "adjust", "rebuild", "--json"], {1}),
    "notify": (["-m", "workers", "notify", "--json"], {1, 4}),
    "migrate": (["-m", "common.migrate"], {1}),
    "migrate help": (["-m", "common.migrate", "--help"], {0, 1}),
    "sandbox help": (["-m", "sandbox", "--help"], {0, 1}),
    "sandbox taken": (["-m", "sandbox", "--port", "TAKEN"], {1}),
    "sandbox log": (["-m", "sandbox", "--port", "0", "--log", "/dev/null/x"], {1}),
    "page help": (["-m", "plugins.market", "--help"], {0, 1}),
    "page taken": (["-m", "plugins.market", "--port", "TAKEN"], {1}),
    "secrets": (["config/container/make_secrets.py", "nonsense"], {2}),
    "secrets help": (["config/container/make_secrets.py", "--help"], {0, 1}),
    "install": (["local/install.py", "--nonsense"], {2, 1}),
    "local help": ([*LOCAL, "--help"], {0, 1}),
    "local status": ([*LOCAL, "status", "--json"], {1}),
    "local logs": ([*LOCAL, "logs", "--", "../../[/red]*"], {1}),
    "local trigger": ([*LOCAL, "trigger", "--symbols=[/red]"], {1}),
    "local shell": ([*LOCAL, "shell", "nosuch"], {1}),
    "local down": ([*LOCAL, "down"], {0, 1}),
}
#: Nothing answers: the database, Redis and the provider are away.
AWAY = {
    "MARKET_DATABASE_URL": "postgresql://market_app:pw@127.0.0.1:9/market",
    "MARKET_OWNER_PASSWORD": "pw",
    "LIMITER_REDIS_URL": "redis://127.0.0.1:9/1",
    "SANDBOX_URL": "http://127.0.0.1:9",
}


@pytest.fixture(scope="module")
def taken() -> Iterator[str]:
    """A port that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield str(listener.getsockname()[1])


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "PIPELINE_STATE": str(tmp_path / "state"), **AWAY}


def start(words: Sequence[str], environment: Mapping[str, str], **streams: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, *words]
    return subprocess.Popen(command, cwd=ROOT, env=dict(environment), stderr=subprocess.PIPE, **streams)


def apart(environment: dict[str, str], words: Sequence[str]) -> dict[str, str]:
    """Give a command a cluster of its own: `down` ends what is left over of one."""
    return environment | {"PIPELINE_STATE": f"{environment['PIPELINE_STATE']}-{words[-1].replace('/', '')}"}


def assert_quiet(name: str, process: subprocess.Popen[bytes], codes: set[int]) -> None:
    _, error = process.communicate(timeout=60)
    text = error.decode()
    assert "Traceback" not in text, f"{name}: {text}"
    assert "Exception ignored" not in text, f"{name}: {text}"
    assert "\x1b" not in text, name
    assert process.returncode in codes, f"{name}: {process.returncode} {text}"


def in_turns(words: dict[str, tuple[Sequence[str], set[int]]], run: object) -> None:
    """Run the commands, four at a time."""
    names = list(words)
    for first in range(0, len(names), 4):
        started = {name: run(words[name][0]) for name in names[first : first + 4]}
        for name, process in started.items():
            assert_quiet(name, process, words[name][1])


def test_a_reader_that_has_gone(surroundings: dict[str, str], taken: str):
    """Into a pipe that nobody reads, each command ends quietly."""

    def run(words: Sequence[str]) -> subprocess.Popen[bytes]:
        reader, writer = os.pipe()
        os.close(reader)
        try:
            words = [taken if word == "TAKEN" else word for word in words]
            return start(words, apart(surroundings, words), stdout=writer)
        finally:
            os.close(writer)

    in_turns(COMMANDS, run)


@pytest.mark.parametrize("command", ["demo", "up"])
def test_a_reader_that_leaves_early(surroundings: dict[str, str], tmp_path: Path, command: str):
    """``make demo | head -1``: a start whose reader goes says so on standard error and stops what it had started."""
    process = start([*LOCAL, command], surroundings, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr
    assert process.stderr.read().decode().splitlines() == [
        f"nobody reads what `{command}` prints any more, so the cluster was stopped"
    ]
    assert process.wait(60) == ExitCode.FAILED
    assert leftovers(tmp_path / "state") == []


def test_full_disk_and_poor_terminal(surroundings: dict[str, str], taken: str):
    """Without input, home and encoding, and with an output that takes nothing, each command ends in a sentence."""
    poor = surroundings | {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "TERM": "dumb"}
    if str(ROOT).isascii():  # told to use no UTF-8, Python cannot import pydantic from any other path
        poor["PYTHONUTF8"] = "0"

    def run(words: Sequence[str]) -> subprocess.Popen[bytes]:
        with Path("/dev/full").open("wb") as full:
            words = [taken if word == "TAKEN" else word for word in words]
            return start(words, apart(poor, words), stdout=full, stdin=subprocess.DEVNULL)

    in_turns(COMMANDS, run)


@pytest.mark.parametrize("name", ["fetch help", "health", "local status", "local logs", "sandbox help"])
def test_streams_that_are_closed(surroundings: dict[str, str], name: str):
    """Started without standard streams (``>&-``), a command does what it does."""
    words, codes = COMMANDS[name]
    command = shlex.join([sys.executable, *words])
    done = subprocess.run(["sh", "-c", f"exec {command} <&- >&- 2>&-"], cwd=ROOT, env=surroundings, check=False)
    assert done.returncode in codes


@pytest.mark.parametrize(
    ("file", "content"),
    [
        *(("ports.json", content) for content in ("{half", "[]", "[1]", '{"airflow": 1}', '{"supervisor": "x"}')),
        *(("secrets.json", content) for content in ("\xff\xfe", "", "[]", '{"supervisor": 5}', '{"supervisor": "x')),
    ],
)
@pytest.mark.parametrize("command", ["status", "down"])
def test_a_state_that_is_damaged(surroundings: dict[str, str], tmp_path: Path, command: str, file: str, content: str):
    """A file of the local cluster that cannot be read is a sentence."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "ports.json").write_text('{"supervisor": 9}', encoding="utf-8")
    (folder / file).write_bytes(content.encode("latin-1"))
    damaged = {"status": {1}, "down": {0}} if file == "ports.json" else {"status": {4}, "down": {0}}
    assert_quiet(command, start([*LOCAL, command], surroundings, stdout=subprocess.DEVNULL), damaged[command])


def test_a_folder_with_a_colon(surroundings: dict[str, str], tmp_path: Path):
    """A checkout whose path would be two in PATH is refused by a sentence before anything is installed."""
    folder = tmp_path / "a:b" / "local"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "local" / "install.py", folder)
    for lock in ("requirements.lock", "requirements-local.lock"):
        (folder.parent / lock).touch()
    process = start([str(folder / "install.py")], surroundings)
    assert_quiet("install", process, {1})
    assert not (folder.parent / ".venv").exists()


def test_a_state_that_cannot_be(surroundings: dict[str, str]):
    """A folder that cannot be made is a sentence that names it."""
    process = start([*LOCAL, "up"], surroundings | {"PIPELINE_STATE": "/dev/null/x"}, stdout=subprocess.DEVNULL)
    assert b"/dev/null/x" in process.communicate(timeout=60)[1]
    assert process.returncode == ExitCode.FAILED


def test_an_interruption_while_it_waits(environment: dict[str, str], sandbox: RunningSandbox):
    """Ctrl-C during a call ends in one word and exit code 130."""
    wired(environment).close()
    process = start(
        [*FETCH, "--symbol", "FAULT-STALL"], {"PATH": "/usr/bin:/bin"} | environment | {"API_TIMEOUT": "60"}
    )
    wait_until(lambda: any(entry.symbol == "FAULT-STALL" for entry in sandbox.entries()), "no call was made")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error.decode().strip().splitlines()[-1]) == (ExitCode.INTERRUPTED, "interrupted")
    assert b"Traceback" not in error


@pytest.mark.parametrize("words", [[*FETCH, "--quota"], [*LOCAL, "status"]], ids=["fetch", "local"])
def test_an_interruption_while_it_imports(surroundings: dict[str, str], words: Sequence[str]):
    """Ctrl-C in the second that the imports take is as quiet."""
    process = start(["-X", "importtime", *words], surroundings, stdout=subprocess.DEVNULL)
    error = b""
    for line in process.stderr or ():
        error += line
        if b"pydantic" in line:
            break
    process.send_signal(signal.SIGINT)
    error += process.communicate(timeout=60)[1]
    assert b"Traceback" not in error
    assert process.returncode == ExitCode.INTERRUPTED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TASK_RETRIES", "abc"),
        ("STOCK_SCHEDULE", "now and then"),
        ("STOCK_SCHEDULE", "99 * * * *"),
        ("STOCK_SCHEDULE", "0 0 30 2 *"),
        ("STOCK_TIMEZONE", "Mars/Base"),
        ("FETCH_QUEUE", "a b"),
        ("API_TIMEOUT", "soon"),
    ],
)
def test_a_bad_setting_starts_nothing(surroundings: dict[str, str], tmp_path: Path, name: str, value: str):
    """What the tasks or the DAG could not use is refused in one sentence before any process is started."""
    process = start([*LOCAL, "up"], surroundings | {name: value}, stdout=subprocess.PIPE)
    output, error = process.communicate(timeout=60)
    assert process.returncode == ExitCode.ACT_FIRST
    assert b"starting" not in output
    assert f"{name}={value!r}".encode() in error
    assert error.count(b"\n") == 1
    assert not (tmp_path / "state" / "supervisord.conf").exists()


@pytest.mark.parametrize(
    "process", ["../secret", "../*", "/etc/*", "*/../../secret", "worker-1/../../secret", "nosuch"]
)
def test_logs_stay_in_their_folder(surroundings: dict[str, str], tmp_path: Path, process: str):
    """A name or a pattern that leads out of the folder of logs fits no log, and the message says which there are."""
    logs = tmp_path / "state" / "logs"
    logs.mkdir(parents=True)
    (tmp_path / "state" / "secret.log").write_text("hunter2\n", encoding="utf-8")
    (logs / "worker-1").mkdir()
    (logs / "scheduler.log").touch()
    started = start([*LOCAL, "logs", "--", process], surroundings, stdout=subprocess.PIPE)
    output, error = started.communicate(timeout=60)
    assert b"hunter2" not in output + error
    assert (started.returncode, output) == (ExitCode.FAILED, b"")
    assert b"there are: scheduler." in error
