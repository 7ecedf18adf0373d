"""The commands of the local cluster: what each does, prints, and ends with."""

import argparse
import fcntl
import http.client
import json
import os
import signal
import sys
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from fnmatch import fnmatchcase
from types import FrameType
from typing import Final, NoReturn

import kombu.exceptions
import psutil
import psycopg2
import redis
from rich.console import Console
from rich.text import Text

from common.command_line import ExitCode, say
from common.errors import PipelineError, RunFailed
from common.settings import DagSettings
from local.cluster import Cluster
from local.demo import Shown, show_addresses, show_run, trigger, watch, watch_history
from local.environment import reader_address
from local.services import ServiceMissing
from local.state import State
from local.terminal import console, foreign
from local.waiter import ClusterFailed
from workers.pipeline.feeds import DAGS, HISTORY

Command = Callable[[Cluster, argparse.Namespace, Console], int]

#: What the servers, the disk and the process manager can do to a command.
_OUTSIDE: Final = (
    PipelineError,
    ClusterFailed,
    ServiceMissing,
    RuntimeError,
    OSError,
    json.JSONDecodeError,
    UnicodeDecodeError,
    http.client.HTTPException,
    xmlrpc.client.Error,
    psycopg2.Error,
    redis.RedisError,
    kombu.exceptions.OperationalError,
    psutil.Error,
)


def run(name: str, options: argparse.Namespace) -> int:
    """Run the command ``name``; return the exit code."""
    screen = console(stderr=getattr(options, "json", False))  # what is for scripts alone stands on standard output
    try:
        cluster = Cluster(State.of_this_checkout(), workers=getattr(options, "workers", 2), say=_saying(screen))
        cluster.monitoring = getattr(options, "monitoring", "") not in {"", "0"}
        return _COMMANDS[name](cluster, options, screen)
    except BrokenPipeError:
        raise
    except _OUTSIDE as problem:
        console(stderr=True).print(Text("error", "red"), foreign(f": {_sentence(problem)}"), sep="")
        return ExitCode.ACT_FIRST if isinstance(problem, RunFailed) else ExitCode.FAILED


def _saying(screen: Console) -> Callable[[str], None]:
    return lambda text: screen.print(foreign(text))


def _sentence(problem: BaseException) -> str:
    """Return what a person needs to know of an error of whatever origin."""
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.strerror}: {problem.filename}" if problem.filename else problem.strerror
    if isinstance(problem, PipelineError | ClusterFailed | ServiceMissing | RuntimeError | OSError):
        return str(problem)
    return f"{type(problem).__name__}: {problem}. `make status` shows what runs, `make logs` what it says."


@contextmanager
def _only_one(state: State) -> Iterator[None]:
    """Refuse a second start or stop at the same time: they would take each other's ports."""
    state.prepare()
    with (state.folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClusterFailed("another command is starting or stopping this cluster; wait for it to end.") from None
        yield


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end us like Ctrl-C does, so that what was started is stopped."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    kept = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextmanager
def _ended_by_its_reader(name: str) -> Iterator[None]:
    """Say on standard error that a start ended because nobody reads standard output any more (``| head -1``)."""
    try:
        yield
    except BrokenPipeError:
        say(f"nobody reads what `{name}` prints any more, so the cluster was stopped")
        raise


def _demo(cluster: Cluster, options: argparse.Namespace, screen: Console) -> int:
    del options
    if cluster.running:
        raise ClusterFailed("a cluster runs already: `make trigger` uses it, `make down` stops it.")
    with _only_one(cluster.state), _stopped_by_signals(), _ended_by_its_reader("demo"):
        try:
            cluster.up(ends_with_us=True)
            screen.print("triggering stock_data_pipeline …")
            # Invented prices cost nobody's quota, so there each demonstration shows the workers at work.
            has_history = DagSettings.from_environment(cluster.environment).stock_history == "on"
            earlier = cluster.api.runs(DAGS[HISTORY]) if has_history else {}
            state = _run_and_show(cluster, [], screen, force=cluster.settings.uses_sandbox).state
            if has_history:
                watch_history(cluster, earlier, screen)
            show_addresses(cluster, screen)
            screen.print("stopping; `make up` starts it again with what was stored, and leaves it running")
        finally:
            cluster.down()
    return ExitCode.DONE if state == "success" else ExitCode.FAILED


def _run_and_show(cluster: Cluster, symbols: Sequence[str], screen: Console, *, force: bool) -> Shown:
    run_id = trigger(cluster, symbols, screen, force=force)
    try:
        state = watch(cluster, run_id, screen)
    except KeyboardInterrupt:
        screen.print(foreign(f"no longer watched; the run {run_id} goes on: {cluster.api.url}"))
        raise
    return show_run(cluster, run_id, state, screen)


def _up(cluster: Cluster, options: argparse.Namespace, screen: Console) -> int:
    del options
    with _only_one(cluster.state), _stopped_by_signals(), _ended_by_its_reader("up"):
        cluster.up()
    show_addresses(cluster, screen)
    screen.print("`make trigger` runs the pipeline, `make status` shows the cluster, `make down` stops it")
    return ExitCode.DONE


def _down(cluster: Cluster, options: argparse.Namespace, screen: Console) -> int:
    del options
    with _only_one(cluster.state):
        was_running = cluster.down()
    screen.print("stopped" if was_running else "nothing was running")
    return ExitCode.DONE


def _status(cluster: Cluster, options: argparse.Namespace, screen: Console) -> int:
    if not cluster.running:
        _answer({"running": False}) if options.json else screen.print("not running: `make up` starts it")
        return ExitCode.FAILED
    states = cluster.supervisor.states()
    problems = {"the settings": _problem(lambda: _settings_fit(cluster))}
    if not problems["the settings"]:
        problems |= {part: _problem(check) for part, check in cluster.checks().items()}
    well = not any(problems.values())
    if options.json:
        processes = {name: {"state": state, "pid": pid} for name, (state, pid) in states.items()}
        healthy = {part: not problem for part, problem in problems.items()}
        _answer({"running": True, "processes": processes, "healthy": healthy, "problems": problems})
    else:
        _show_status(states, problems, screen)
        if not problems["the settings"]:
            show_addresses(cluster, screen)
    return ExitCode.DONE if well else ExitCode.FAILED


def _show_status(states: Mapping[str, tuple[str, int]], problems: Mapping[str, str], screen: Console) -> None:
    for name, (state, pid) in states.items():
        screen.print(
            f"{name:<14} ", Text(f"{state:<9}", "green" if state == "RUNNING" else "red"), f" {pid or ''}", sep=""
        )
    for part, problem in problems.items():
        well = Text("not healthy", "red") if problem else Text("healthy", "green")
        screen.print(f"{part:<14} ", well, foreign(f": {problem}" if problem else ""), sep="")


def _settings_fit(cluster: Cluster) -> bool:
    """Whether the next start could use what is set now. Raises ConfigurationError."""
    DagSettings.from_environment(cluster.environment)
    return bool(cluster.settings)


def _problem(check: Callable[[], bool]) -> str:
    """Return what is wrong with a part, or nothing."""
    try:
        return "" if check() else "it does not answer as it should"
    except _OUTSIDE as problem:
        return _sentence(problem).splitlines()[0][:300]


def _answer(document: object) -> None:
    print(json.dumps(document, default=str))


def _trigger(cluster: Cluster, options: argparse.Namespace, screen: Console) -> int:
    if not cluster.running:
        raise ClusterFailed("the cluster does not run: `make up` starts it.")
    symbols = options.symbols.replace(",", " ").split()
    if options.detach:
        run_id = trigger(cluster, symbols, screen, force=options.force)
        _answer({"run_id": run_id}) if options.json else screen.print(run_id)
        return ExitCode.DONE
    shown = _run_and_show(cluster, symbols, screen, force=options.force)
    if options.json:
        _answer(asdict(shown))
    return ExitCode.DONE if shown.state == "success" else ExitCode.FAILED


def _logs(cluster: Cluster, options: argparse.Namespace, screen: Console) -> int:
    """Follow the files whose names fit; a pattern is compared with names, so it leads out of no folder."""
    logs = {path.stem: path for path in sorted(cluster.state.logs.glob("*.log"))}
    files = [str(path) for name, path in logs.items() if fnmatchcase(name, options.process)]
    if not files:
        raise ClusterFailed(f"there is no log of {options.process!r}; there are: {', '.join(logs) or 'none yet'}.")
    _become(["tail", "-n", "20", "-F", *files], os.environ)


def _shell(cluster: Cluster, options: argparse.Namespace, screen: Console) -> int:
    """Become the command, with the environment of the cluster's processes; it holds the cluster's secrets."""
    if not cluster.running:
        raise ClusterFailed("the cluster does not run: `make up` starts it.")
    if not options.words:
        screen.print("a shell with the cluster's settings; `exit` leaves it")
    _become(options.words or [os.environ.get("SHELL") or "/bin/sh"], cluster.environment)


def _become(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process, so that signals, pipes and the exit code are the command's own."""
    sys.stdout.flush()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and a program would inherit that
    try:
        os.execvpe(command[0], list(command), environment)  # noqa: S606  the person's own command, or tail
    except OSError as error:
        raise ClusterFailed(f"{command[0]!r} cannot be run: {error.strerror}.") from None


def _reader_address(cluster: Cluster, options: argparse.Namespace, screen: Console) -> int:
    """Print the address at which a person's own program reads; it goes nowhere but to standard output."""
    del options, screen
    if not cluster.running:
        raise ClusterFailed("the cluster does not run: `make up` starts it.")
    print(reader_address(cluster.state, cluster.ports, cluster.settings.market_database))
    return ExitCode.DONE


def _clean(cluster: Cluster, options: argparse.Namespace, screen: Console) -> int:
    del options
    with _only_one(cluster.state):
        cluster.clean()
    screen.print("stopped, and everything that it stored is deleted")
    return ExitCode.DONE


_COMMANDS: Final[Mapping[str, Command]] = {
    "demo": _demo,
    "up": _up,
    "down": _down,
    "status": _status,
    "trigger": _trigger,
    "logs": _logs,
    "shell": _shell,
    "reader-address": _reader_address,
    "clean": _clean,
}
