"""The process manager: what its programs are given, how they are told from others', and a disk that is full."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis

from local.cluster import Cluster
from local.leftovers import end_leftovers, leftovers
from local.ports import free_port
from local.processes import Program, Supervisor, servers, storage_programs
from local.program_environment import environment_of
from local.state import STATE_VARIABLE, State
from local.temporary import wait_until
from local.waiter import ClusterFailed
from tests.conftest import missing

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
CHATTER = [sys.executable, "-uc", "import time; [time.sleep(0.01) for _ in iter(lambda: print('x' * 4000), 1)]"]
SECRET = "MARKEDSECRET0123456789"
EVERYTHING = {"PATH": os.defpath, "ALPHA_VANTAGE_API_KEY": SECRET, "AIRFLOW__CORE__FERNET_KEY": SECRET, "LANG": "C"}


@contextmanager
def managed(state: State, programs: Sequence[Program]) -> Iterator[Supervisor]:
    """Run the programs under a process manager of their own until the block ends."""
    state.prepare()
    supervisor = Supervisor(state, free_port(), "word")
    supervisor.write(programs)
    names = ["manager", "scheduler", *(program.name for program in programs)]
    supervisor.launch({name: environment_of(name, EVERYTHING) for name in names}, ends_with_us=True)
    try:
        supervisor.start([program.name for program in programs])
        yield supervisor
    finally:
        end_leftovers(state.folder)


def pid_of(supervisor: Supervisor, name: str) -> int:
    wait_until(lambda: supervisor.states()[name][0] == "RUNNING", f"{name} runs")
    return supervisor.states()[name][1]


def test_each_program_gets_its_own_variables(tmp_path: Path):
    """A server and the manager itself have no secret in their environment; a worker has what it needs."""
    programs = [Program("redis", SLEEPER), Program("worker-1", SLEEPER)]
    with managed(State(tmp_path / "state"), programs) as supervisor:
        server, worker = (pid_of(supervisor, program.name) for program in programs)
        manager = psutil.Process(server).parent()
        assert psutil.Process(worker).environ()["ALPHA_VANTAGE_API_KEY"] == SECRET
        assert not [text for pid in (server, manager.pid) if SECRET in (text := str(psutil.Process(pid).environ()))]


def test_a_folder_that_was_deleted(tmp_path: Path):
    """Whoever deletes the folder of a running cluster finds its processes again, and no others, in the next one."""
    state = State(tmp_path / "state")
    with managed(state, [Program("redis", SLEEPER)]) as supervisor:
        server = psutil.Process(pid_of(supervisor, "redis"))
        shutil.rmtree(state.folder)
        state.prepare()
        assert {process.pid for process in leftovers(state.folder)} == {server.pid, server.ppid()}
        assert leftovers(tmp_path) == []
        end_leftovers(state.folder)
        assert not server.is_running()


def test_a_cluster_that_runs_already(tmp_path: Path):
    """A second start of it says so, and nothing of ports that another program took: they are the cluster's own."""
    state = State(tmp_path / "state")
    said: list[str] = []
    with managed(state, [Program("redis", SLEEPER)]) as supervisor:
        (state.folder / "ports.json").write_text(json.dumps({"supervisor": supervisor._port}), encoding="utf-8")
        (state.folder / "secrets.json").write_text('{"supervisor": "word"}', encoding="utf-8")
        with pytest.raises(ClusterFailed, match="runs already"):
            Cluster(state, say=said.append, person={}).up()
        assert supervisor.running
    assert said == []


def test_only_what_cluster_started_is_ended(tmp_path: Path):
    """After a hard kill the cluster's programs are found and ended; a process with the same variables lives on."""
    state = State(tmp_path / "state")
    state.prepare()
    other = subprocess.Popen(SLEEPER, env={**os.environ, STATE_VARIABLE: str(state.folder)})
    (state.folder / "mark").touch()
    reader = subprocess.Popen(["tail", "-f", state.folder / "mark"])  # as a backup or a search has it open
    try:
        with managed(state, [Program("sandbox", SLEEPER)]) as supervisor:
            found = psutil.Process(pid_of(supervisor, "sandbox"))
            assert {process.pid for process in leftovers(state.folder)} == {found.pid, found.ppid()}
            end_leftovers(state.folder)
            assert not found.is_running()
        assert other.poll() is None
        assert reader.poll() is None
    finally:
        for process in (other, reader):
            process.kill()
            process.wait()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 160 MB of its own."""
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", tmp_path], check=False, stderr=subprocess.PIPE
    )
    if mount.returncode:
        reason = f"a small file system cannot be mounted here: {mount.stderr.decode().strip()}"
        missing(reason) if os.geteuid() == 0 else pytest.skip(reason)
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)


def test_full_disk_ends_nothing_for_good(small_disk: Path):
    """While the disk is full PostgreSQL and the logs fail; with space all goes on, and what was stored is there."""
    state = State(small_disk / "state")
    state.prepare()
    state.secrets()
    postgres, broker = servers(
        state, {"postgres": free_port(), "redis": free_port()}, dict.fromkeys(("postgres", "redis"), "word")
    )
    postgres.initialise()
    broker.initialise()
    with managed(state, [*storage_programs(postgres, broker), Program("sandbox", CHATTER)]) as supervisor:
        wait_until(lambda: execute(postgres.url(), "CREATE TABLE kept AS SELECT 1 AS one"), "PostgreSQL answers")
        client = redis.Redis.from_url(broker.url())
        wait_until(client.ping, "Redis answers")
        client.set("kept", "one")
        fill(small_disk / "filler")
        with suppress(psycopg2.Error):
            execute(postgres.url(), "CREATE TABLE lost AS SELECT repeat('x', 1000) FROM generate_series(1, 200000)")
        for name in ("postgres", "redis"):  # a server that ends now cannot begin again
            psutil.Process(pid_of(supervisor, name)).kill()
        wait_until(lambda: len(supervisor.ended()) == 2, "both have ended, and the process manager says so")
        (small_disk / "filler").unlink()
        wait_until(lambda: execute(postgres.url(), "INSERT INTO kept VALUES (2)"), "PostgreSQL is back", 60)
        wait_until(lambda: client.set("more", "two"), "Redis is back", 60)
        assert client.get("kept") == b"one"
        size = (state.logs / "sandbox.log").stat().st_size
        wait_until(lambda: (state.logs / "sandbox.log").stat().st_size > size, "what is printed is logged again")


def execute(url: str, statement: str) -> bool:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()
    return True


def fill(path: Path) -> None:
    """Write until nothing fits any more."""
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 1):
            with suppress(OSError):
                while file.write(b"x" * size):
                    pass


@pytest.mark.parametrize("program", ["postgres", "redis"])
def test_ended_server_is_reported_immediately(tmp_path: Path, program: str):
    """A server that cannot start is named with its own last words, long before the time to wait is over."""
    state = State(tmp_path / "state")
    cluster = Cluster(state, person={})
    state.prepare()
    state.secrets()
    (state.folder / program).mkdir()
    spoil = {"postgres": ("PG_VERSION", "9.0\n"), "redis": ("appendonly.aof", "no such format")}
    name, content = spoil[program]
    (state.folder / program / name).write_text(content, encoding="utf-8")
    with pytest.raises(ClusterFailed, match=f"{program} ended") as error:
        cluster.up(ends_with_us=True)
    assert {"postgres": "configuration file", "redis": "Bad file format"}[program] in str(error.value)
    assert leftovers(state.folder) == []


@pytest.mark.parametrize(
    "said", [b"", b"SSH-2.0-other\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<html", b"\xff"]
)
def test_a_stranger_is_no_process_manager(tmp_path: Path, said: bytes):
    """Whatever listens on the port of the last start, silent or in another protocol, is not taken for ours."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(said)
            connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        assert not Supervisor(State(tmp_path), listener.getsockname()[1], "word").answers(timeout_s=0.5)
        thread.join()


class OnlyServers(Cluster):
    """A cluster whose start ends, as a failed one does, once PostgreSQL and Redis answer."""

    def _initialise(self) -> None:
        raise ClusterFailed("PostgreSQL and Redis answer")


@pytest.mark.parametrize("name", ["postgres", "redis", "supervisor"])
def test_a_port_that_another_takes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    """A port that another program takes after it was chosen is replaced, and the start goes on with the next one."""
    said: list[str] = []
    cluster = OnlyServers(State(tmp_path / "state"), say=said.append, person={})
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # an earlier cluster's connection may linger there

        def choose(state: State) -> tuple[dict[str, int], list[str], list[socket.socket]]:
            chosen = choose_ports(state)
            with suppress(OSError):  # it listens already
                other.bind(("127.0.0.1", chosen[0][name]))
                other.listen()
            return chosen

        choose_ports = State.choose_ports
        monkeypatch.setattr(State, "choose_ports", choose)
        with pytest.raises(ClusterFailed, match="PostgreSQL and Redis answer"):
            cluster.up(ends_with_us=True)
        taken = other.getsockname()[1]
        assert [line for line in said if f"port {taken} of {name}" in line]
        assert cluster.ports[name] != taken
    assert leftovers(cluster.state.folder) == []
