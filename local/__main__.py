"""The local cluster's command line: ``python -m local demo|up|down|status|trigger|logs|clean`` (``make`` calls it)."""

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

from rich.console import Console

from common.errors import PipelineError
from local.cluster import Cluster, ClusterFailed
from local.demo import show_addresses, show_run, trigger, watch
from local.services import ServiceMissing
from local.shell import leave_the_shell
from local.state import State

_INTERRUPTED: Final = 130
_PLAIN_WIDTH: Final = 120  # of what is piped or logged


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    leave_the_shell()
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    state = State.of_this_checkout()
    cluster = Cluster(state, workers=getattr(options, "workers", 2), say=lambda text: console.print(text, markup=False))
    try:
        return int(options.run(cluster, options, console))
    except (PipelineError, ClusterFailed, ServiceMissing, RuntimeError, TimeoutError) as problem:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"[red]{type(problem).__name__}[/]: {problem}")
        return 1
    except KeyboardInterrupt:
        console.print("interrupted")
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m local", description="The whole cluster as processes of this machine."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: object, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.set_defaults(run=run)
        return sub

    for name, run, text in (
        ("demo", _demo, "Start the cluster, run the pipeline once, show the quotes, stop."),
        ("up", _up, "Start the cluster and leave it running."),
    ):
        sub = command(name, run, text)
        sub.add_argument("--workers", type=_positive, default=2, help="Celery workers to start (2)")
    command("down", _down, "Stop the cluster; what it stored stays.")
    sub = command("status", _status, "Show each process, and where the pages are.")
    sub.add_argument("--json", action="store_true", help="for scripts")
    sub = command("trigger", _trigger, "Trigger the pipeline, watch it and show the result.")
    sub.add_argument("--symbols", default="", help="comma-separated; STOCK_SYMBOLS if empty")
    sub.add_argument("--force", action="store_true", help="fetch symbols too that are stored up to date")
    sub.add_argument("--detach", action="store_true", help="do not wait for the run to end")
    sub = command("logs", _logs, "Follow the logs of all processes, or of one.")
    sub.add_argument("process", nargs="?", default="*", help="such as worker-1 or scheduler")
    sub = command("shell", _shell, "Open a shell, or run COMMAND, with the cluster's settings.")
    sub.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    command("clean", _clean, "Stop the cluster and delete everything that it stored.")
    return parser


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 64:  # noqa: PLR2004  more than one machine bears
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 64")
    return int(text)


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


def _demo(cluster: Cluster, options: argparse.Namespace, console: Console) -> int:
    del options
    if cluster.running:
        raise ClusterFailed("a cluster runs already: `make trigger` uses it, `make down` stops it.")
    with _only_one(cluster.state), _stopped_by_signals():
        try:
            cluster.up(ends_with_us=True)
            console.print("triggering stock_data_pipeline …")
            # Invented prices cost nobody's quota, so there each demonstration shows the workers at work.
            state = _run_and_show(cluster, [], console, force=cluster.settings.uses_sandbox)
            show_addresses(cluster, console)
            console.print("stopping; `make up` starts it again with what was stored, and leaves it running")
        finally:
            cluster.down()
    return 0 if state == "success" else 1


def _run_and_show(cluster: Cluster, symbols: Sequence[str], console: Console, *, force: bool) -> str:
    run_id = trigger(cluster, symbols, force=force)
    state = watch(cluster, run_id, console)
    show_run(cluster, run_id, state, console)
    return state


def _up(cluster: Cluster, options: argparse.Namespace, console: Console) -> int:
    del options
    with _only_one(cluster.state), _stopped_by_signals():
        cluster.up()
    show_addresses(cluster, console)
    console.print("`make trigger` runs the pipeline, `make status` shows the cluster, `make down` stops it")
    return 0


def _down(cluster: Cluster, options: argparse.Namespace, console: Console) -> int:
    del options
    with _only_one(cluster.state):
        was_running = cluster.running
        cluster.down()
    console.print("stopped" if was_running else "nothing was running")
    return 0


def _status(cluster: Cluster, options: argparse.Namespace, console: Console) -> int:
    if not cluster.running:
        console.print(json.dumps({"running": False}) if options.json else "not running: `make up` starts it")
        return 1
    states = cluster.supervisor.states()
    healthy = {part: _passes(check) for part, check in cluster.checks().items()}
    if options.json:
        processes = {name: {"state": state, "pid": pid} for name, (state, pid) in states.items()}
        console.print_json(json.dumps({"running": True, "processes": processes, "healthy": healthy}))
    else:
        for name, (state, pid) in states.items():
            console.print(f"{name:<14} [{'green' if state == 'RUNNING' else 'red'}]{state:<9}[/] {pid or ''}")
        for part, well in healthy.items():
            console.print(f"{part:<14} [{'green]healthy' if well else 'red]not healthy'}[/]")
        show_addresses(cluster, console)
    return 0 if all(healthy.values()) else 1


def _passes(check: object) -> bool:
    try:
        return bool(check())  # type: ignore[operator]
    except (OSError, RuntimeError):
        return False


def _trigger(cluster: Cluster, options: argparse.Namespace, console: Console) -> int:
    if not cluster.running:
        raise ClusterFailed("the cluster does not run: `make up` starts it.")
    symbols = options.symbols.replace(",", " ").split()
    if options.detach:
        console.print(trigger(cluster, symbols, force=options.force))
        return 0
    return 0 if _run_and_show(cluster, symbols, console, force=options.force) == "success" else 1


def _logs(cluster: Cluster, options: argparse.Namespace, console: Console) -> int:
    files = sorted(cluster.state.logs.glob(f"{options.process}.log"))
    if not files:
        names = ", ".join(sorted(path.stem for path in cluster.state.logs.glob("*.log"))) or "none yet"
        raise ClusterFailed(f"there is no log of {options.process!r}; there are: {names}")
    return subprocess.run(["tail", "-n", "20", "-F", *map(str, files)], check=False).returncode  # noqa: S603,S607  plain tail


def _shell(cluster: Cluster, options: argparse.Namespace, console: Console) -> int:
    """Run the command with the environment of the cluster's processes; it holds the cluster's secrets."""
    if not cluster.running:
        raise ClusterFailed("the cluster does not run: `make up` starts it.")
    command = options.words or [os.environ.get("SHELL", "/bin/sh")]
    if not options.words:
        console.print("a shell with the cluster's settings; `exit` leaves it")
    return subprocess.run(command, env=cluster.environment, check=False).returncode  # noqa: S603  the person's own


def _clean(cluster: Cluster, options: argparse.Namespace, console: Console) -> int:
    del options
    with _only_one(cluster.state):
        cluster.clean()
    console.print("stopped, and everything that it stored is deleted")
    return 0


if __name__ == "__main__":
    sys.exit(main())
