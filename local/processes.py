"""The cluster's processes under supervisord: what runs, with which command, and how to start and stop it."""

import http.client
import json
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from typing import Any, Final
from xml.parsers.expat import ExpatError

import psutil

from common.quoting import supervisor_command, supervisor_log, supervisor_value, url_part
from common.redaction import one_line
from local.leftovers import existing, leftovers
from local.server_user import server_user
from local.services import Postgres, Redis
from local.state import ROOT, State

_BIN: Final = Path(sys.executable).parent
_AIRFLOW: Final = str(_BIN / "airflow")
#: How long supervisord may take to answer (s): as a rule, and where it runs but imports Airflow meanwhile.
_QUICK_S: Final = 2
_BUSY_S: Final = 60


@dataclass(frozen=True)
class Program:
    """One process: its command, its own environment, and how it is asked to end."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_wait_s: int = 20
    user: str | None = None
    folder: Path = ROOT

    def section(self, logs: Path) -> str:
        """Return the program's section of supervisord's configuration."""
        child = [sys.executable, "-S", str(ROOT / "local" / "child.py"), f"SIG{self.stop_signal}", self.user or "-"]
        guard = [] if self.command[0] == _AIRFLOW else child  # local/manager.py guards Airflow's own processes
        lines = {
            "command": supervisor_command((*guard, *self.command), f"the command of {self.name}"),
            "directory": supervisor_value(str(self.folder), f"the folder of {self.name}"),
            "autostart": "false",
            "autorestart": "true",
            "startsecs": "1",
            "startretries": "1000000",  # it comes back after a full disk; local/full_disk.py bounds the pauses
            "stopsignal": self.stop_signal,
            "stopwaitsecs": str(self.stop_wait_s),
            "stopasgroup": "false",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": supervisor_log(str(logs / f"{self.name}.log"), "the folder of logs"),
            "stdout_logfile_maxbytes": "20MB",
            "stdout_logfile_backups": "2",
        }
        return f"[program:{self.name}]\n" + "".join(f"{name}={value}\n" for name, value in lines.items() if value)


def servers(state: State, ports: Mapping[str, int], secrets: Mapping[str, str]) -> tuple[Postgres, Redis]:
    """Return the cluster's PostgreSQL and Redis."""
    return (
        Postgres(state.folder / "postgres", ports["postgres"], secrets["postgres"]),
        Redis(state.folder / "redis", ports["redis"], secrets["redis"]),
    )


def storage_programs(postgres: Postgres, redis: Redis) -> list[Program]:
    """Return what must run before anything can be migrated."""
    return [
        Program("postgres", postgres.command(), stop_signal="INT", user=server_user(), folder=postgres.folder),
        Program("redis", redis.command()),
    ]


def pipeline_programs(
    ports: Mapping[str, int],
    workers: int,
    *,
    sandbox_plan: str | None,
    page: Mapping[str, str],
    forks: bool = True,
) -> list[Program]:
    """Return Airflow's processes, Flower, the exporter of metrics, and the sandbox where a plan for it is given.

    ``page``: the Market page's own variables, the API server's alone as the folder of plugins is.
    ``forks``: Airflow is imported once and forked (local/manager.py); else each process is executed and imports it.
    """
    airflow = [_AIRFLOW] if forks else [sys.executable, "-m", "airflow"]
    programs = [
        Program(
            "api-server", [*airflow, "api-server"], {**page, "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins")}
        ),
        Program("scheduler", [*airflow, "scheduler", "--skip-serve-logs"]),
        Program("dag-processor", [*airflow, "dag-processor"]),
        # Its end waits 10 s for a process that has ended already; what it waits for is kept in the database.
        Program("triggerer", [*airflow, "triggerer", "--skip-serve-logs"], stop_wait_s=3),
        *(_worker(airflow, number) for number in range(1, workers + 1)),
        Program("flower", [*airflow, "celery", "flower"], stop_wait_s=5),
        _exporter(ports, page["ALPHA_VANTAGE_KEY_DIGEST"]),
    ]
    if sandbox_plan is not None:
        command = [sys.executable, "-m", "sandbox", "--port", str(ports["sandbox"]), "--quota", sandbox_plan]
        programs.insert(0, Program("sandbox", command, stop_wait_s=5))
    return programs


def _worker(airflow: Sequence[str], number: int) -> Program:
    """A worker with a name of its own; its warm shutdown lets running tasks end."""
    name = f"worker-{number}"
    command = [*airflow, "celery", "worker", "--celery-hostname", name, "--skip-serve-logs"]
    return Program(name, command, {"WORKER_NAME": name}, stop_wait_s=90)


def _exporter(ports: Mapping[str, int], digest: str) -> Program:
    """As the page it has no key, and what stands for it says whose calls it counts."""
    pages = [f"--{page}=http://127.0.0.1:{ports[page]}" for page in ("airflow", "flower")]
    command = [sys.executable, "-m", "monitoring", f"--port={ports['exporter']}", *pages]
    return Program("exporter", command, {"ALPHA_VANTAGE_KEY_DIGEST": digest}, stop_wait_s=5)


class _Transport(xmlrpc.client.Transport):
    """Calls that end: without a bound a silent stranger on the port would hold them for ever."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def make_connection(self, host: tuple[str, dict[str, str]] | str) -> http.client.HTTPConnection:
        """Called for each connection."""
        connection = super().make_connection(host)
        connection.timeout = self._timeout_s
        return connection


class Supervisor:
    """supervisord for one cluster: writes its configuration, runs it, talks to it."""

    def __init__(self, state: State, port: int, password: str) -> None:
        self._state = state
        self._port = port
        self._password = password

    def __repr__(self) -> str:
        return f"Supervisor({self._state.folder}, port={self._port})"

    @property
    def _configuration(self) -> Path:
        return self._state.folder / "supervisord.conf"

    def write(self, programs: Sequence[Program]) -> None:
        """Write the configuration; it holds a password, so only its owner may read it."""
        header = (
            "[supervisord]\n"
            f"logfile={supervisor_value(str(self._state.logs / 'supervisord.log'), 'the folder of logs')}\n"
            f"pidfile={supervisor_value(str(self._state.folder / 'supervisord.pid'), 'the state folder')}\n"
            f"directory={supervisor_value(str(ROOT), 'the checkout')}\n"
            + ("user=root\n" if os.geteuid() == 0 else "")  # said explicitly, or supervisord warns
            + f"[inet_http_server]\nport=127.0.0.1:{self._port}\nusername=local\n"
            f"password={supervisor_value(self._password, 'the password of the process manager')}\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
        )
        self._configuration.touch(mode=0o600)
        self._configuration.write_text(
            header + "".join(program.section(self._state.logs) for program in programs), encoding="utf-8"
        )

    def launch(
        self, environments: Mapping[str, Mapping[str, str]], *, ends_with_us: bool, held: Sequence[socket] = ()
    ) -> None:
        """Run supervisord in a session of its own; ``ends_with_us``: it stops when this process does.

        ``environments``: each program's, and the manager's own. ``held``: what reserves the ports (local/ports.py)
        for as long as it lives. Raises RuntimeError.
        """
        command = [sys.executable, "-m", "local.manager", "--nodaemon", "--configuration", str(self._configuration)]
        if ends_with_us:
            command = [sys.executable, "-S", str(ROOT / "local" / "child.py"), "SIGTERM", "-", *command]
        with self.log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603  our own command
                command,
                env=dict(environments["manager"]),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=[holder.fileno() for holder in held],
                start_new_session=True,
                cwd=ROOT,
            )
        with suppress(BrokenPipeError), process.stdin as given:  # type: ignore[union-attr]  # it is a pipe
            given.write(json.dumps({name: dict(variables) for name, variables in environments.items()}).encode())
        deadline = time.monotonic() + 20
        while process.poll() is not None or not self.answers(timeout_s=1):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the process manager did not start: {last_lines(self.log)} (see {self.log})")
            time.sleep(0.05)

    @property
    def log(self) -> Path:
        """Where the process manager writes what it cannot write to its log."""
        return self._state.logs / "supervisord.out"

    @property
    def _rpc(self) -> xmlrpc.client.ServerProxy:
        return self._proxy(_BUSY_S)

    def _proxy(self, timeout_s: float) -> xmlrpc.client.ServerProxy:
        password = url_part(self._password, "the password of the process manager")
        return xmlrpc.client.ServerProxy(
            f"http://local:{password}@127.0.0.1:{self._port}/RPC2", transport=_Transport(timeout_s)
        )

    @property
    def running(self) -> bool:
        """Whether our supervisord answers."""
        return self.answers(_QUICK_S) or (bool(leftovers(self._state.folder)) and self.answers(_BUSY_S))

    def answers(self, timeout_s: float) -> bool:
        """Whether our supervisord answers in time; what else may listen on its port meanwhile does not count."""
        try:
            self._proxy(timeout_s).supervisor.getState()
        except (OSError, xmlrpc.client.Error, http.client.HTTPException, ExpatError, UnicodeError):
            return False
        return True

    def start(self, names: Sequence[str]) -> None:
        """Start the programs without waiting for them."""
        for name in names:
            self._rpc.supervisor.startProcess(name, False)

    def states(self) -> dict[str, tuple[str, int]]:
        """Return each program's state (RUNNING, BACKOFF, FATAL …) and pid."""
        rows: Any = self._rpc.supervisor.getAllProcessInfo()  # XML-RPC is untyped
        return {str(row["name"]): (str(row["statename"]), int(row["pid"])) for row in rows}

    def ended(self) -> list[str]:
        """Return the programs that have ended since they were started, also those that were started again."""
        rows: Any = self._rpc.supervisor.getAllProcessInfo()  # XML-RPC is untyped
        again = {"BACKOFF", "EXITED", "FATAL"}
        return [str(row["name"]) for row in rows if row["statename"] in again or row["stop"]]

    def stop(self, order: Sequence[Sequence[str]], timeout_s: float = 120) -> None:
        """Stop the programs group by group, then supervisord itself, and wait until it is gone."""
        for group in order:
            for name in group:
                self._ignore_not_running(name)
            self._wait_stopped(group, timeout_s)
        pid: Any = self._rpc.supervisor.getPID()  # XML-RPC is untyped
        self._rpc.supervisor.shutdown()
        psutil.wait_procs(list(existing([pid])), timeout=timeout_s)

    def _ignore_not_running(self, name: str) -> None:
        try:
            self._rpc.supervisor.stopProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode not in {10, 70}:  # 10: no such program, 70: not running; both are what we want
                raise

    def _wait_stopped(self, names: Sequence[str], timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        ended = {"STOPPED", "EXITED", "FATAL"}
        while any(state not in ended for name, (state, _) in self.states().items() if name in names):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{', '.join(names)} did not stop within {timeout_s:.0f} s")
            time.sleep(0.1)


def last_lines(log: Path, count: int = 5) -> str:
    """Return the last lines of a log, shortened, as a part of a sentence."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        lines = []
    return " | ".join(one_line(line.strip(), 300) for line in [line for line in lines if line.strip()][-count:])
