"""Find what a cluster started, whoever runs it by now, and nothing else.

The process manager opens a file of the cluster's folder for writing, the mark, and what it starts inherits the open
file. Nobody comes by that by accident: not with an exported variable, not in the same terminal, not by reading the
folder. What a process of the cluster started in turn, without the mark, is found as its descendant. Linux also tells
whose mark was deleted with the whole folder, and psutil does not.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

MARK: Final = "mark"


def open_mark(folder: Path) -> int:
    """Open the mark of the cluster in the folder, so that child processes inherit it; return its descriptor."""
    descriptor = os.open(folder / MARK, os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(descriptor, True)
    return descriptor


def leftovers(folder: Path) -> list[psutil.Process]:
    """Return the processes of the cluster in the folder that still run; never ourselves."""
    ours = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    marked = [process for process in psutil.process_iter() if _has_open(process, str(folder / MARK))]
    found = dict.fromkeys([*marked, *(child for process in marked for child in _descendants(process))])
    return [process for process in found if process.pid not in ours]


def end_leftovers(folder: Path) -> int:
    """End what a hard kill left behind; return how many processes that were."""
    found = leftovers(folder)
    for process in found:
        _signal(process, signal.SIGINT if _name(process).startswith("postgres") else signal.SIGTERM)
    _, alive = psutil.wait_procs(found, timeout=15)
    for process in alive:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=5)
    return len(found)


def existing(pids: Sequence[int]) -> Iterator[psutil.Process]:
    """Return those of the processes that run."""
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            yield psutil.Process(pid)


def _has_open(process: psutil.Process, mark: str) -> bool:
    """Whether the process has the mark open for writing; a backup or a search only reads it."""
    try:
        if any(file.path == mark and getattr(file, "mode", "r+") != "r" for file in process.open_files()):
            return True
        return any(os.readlink(file) == f"{mark} (deleted)" for file in Path(f"/proc/{process.pid}/fd").glob("*"))
    except (psutil.Error, OSError):
        return False  # gone meanwhile, or another user's


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return str(process.name())
    return ""


def _signal(process: psutil.Process, number: int) -> None:
    with suppress(psutil.NoSuchProcess):  # it ended by itself, which is what was wanted
        process.send_signal(number)
