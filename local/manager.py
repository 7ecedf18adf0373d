"""supervisord that imports Airflow once and forks: ``python -m local.manager --configuration FILE``.

Every Airflow process spends seconds of CPU on the same imports, and a cluster has eight of them. Here the process
manager imports them, and what would execute ``airflow …`` becomes a fork that runs the same command with the same
environment: the cluster starts in half of the time, and shares the memory. The pipeline's own modules stay out, so a
process that is restarted runs the code of now.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from supervisor.options import ServerOptions
from supervisor.supervisord import go

from common.parent_death import end_with_parent
from local.full_disk import bear_a_full_disk
from local.leftovers import open_mark

PRELOADED: Final = (
    "airflow.cli.cli_parser",
    "airflow.dag_processing.manager",
    "airflow.jobs.scheduler_job_runner",
    "airflow.jobs.triggerer_job_runner",
    "airflow.sdk.execution_time.task_runner",
    "celery.bin.celery",
    "celery.worker.worker",
    "fastapi",
    "flask_appbuilder",
    "flower.command",
)
_SIGNALS: Final = (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2)


class ForkingOptions(ServerOptions):  # type: ignore[misc]  # supervisor has no types
    """supervisord's operating system, in which executing ``airflow`` is a fork of what is imported already.

    ``environments``: each program's whole environment. ``mark``: the descriptor that tells the cluster's processes.
    """

    environments: Mapping[str, Mapping[str, str]]
    mark: int

    def check_execv_args(self, filename: str, argv: Sequence[str], status: os.stat_result | None) -> None:
        """Called before the fork, in the manager: the moment to import."""
        super().check_execv_args(filename, argv, status)
        if _is_airflow(filename):
            preload()

    def close_fd(self, fd: int) -> None:
        """Called after the fork, in the child, for each descriptor: the mark stays open (local/leftovers.py)."""
        if fd != self.mark:
            super().close_fd(fd)

    def execve(self, filename: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        """Called after the fork, in the child: execute the command, or become it, with the program's environment."""
        own = self.environments[env["SUPERVISOR_PROCESS_NAME"]]
        if _is_airflow(filename):
            become_airflow(argv, own)
        super().execve(filename, argv, own)


def _is_airflow(filename: str) -> bool:
    return Path(filename).name == "airflow"


def preload() -> None:
    """Import what every Airflow process imports; a second call costs nothing."""
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # a collection would touch, and so copy, the shared pages


def become_airflow(argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Run ``airflow`` in this forked process as if it had been executed; ends the process."""
    _forget_the_manager()
    os.environ.clear()
    os.environ.update(env)
    sys.argv = list(argv)
    code: Any = 1
    try:
        importlib.import_module("airflow.settings").configure_vars()  # the folder of plugins is each process's own
        main = importlib.import_module("airflow.__main__").main
        code = main() or 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001  nothing may return into the manager's code; the trace is in the log
        traceback.print_exc()
    if isinstance(code, str):
        print(code, file=sys.stderr)  # noqa: T201  as the interpreter does it
    atexit._run_exitfuncs()  # os._exit skips them, and sys.exit would run the manager's code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _forget_the_manager() -> None:
    """Undo what an execution would undo: signal handlers, streams. And end when the manager does (see child.py)."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # As the interpreter opens them: who replaces such a stream must not close its descriptor.
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  lives as long as the process
    sys.stdout, sys.stderr = (open(number, "w", 1, closefd=False) for number in (1, 2))  # noqa: SIM115  same
    end_with_parent(signal.SIGTERM)


def main() -> None:
    """Run the manager until it is told to stop.

    The environments come in over standard input: what is in a process's own, each of its forks would show as well.
    """
    bear_a_full_disk()
    options = ForkingOptions()
    options.environments = json.load(sys.stdin)
    os.environ.update(options.environments["scheduler"])  # what is preloaded reads Airflow's settings
    options.realize(sys.argv[1:])
    options.mark = open_mark(Path(options.configfile).parent)
    options.first = True
    options.test = False
    go(options)
    options.close_httpservers()
    options.close_logger()


if __name__ == "__main__":
    main()
