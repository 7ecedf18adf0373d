"""The process that a slot keeps: real forks, one task after the other, and every way to die."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

import psutil
import pytest

from local.temporary import wait_until
from workers.airflow_patches import reused_process
from workers.airflow_patches.reused_process import KeptProcess, serve

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="a slot keeps its process on Linux only"),
]

#: Something that a task may leave behind.
MARK: ContextVar[str] = ContextVar("MARK", default="none")
Idle = Callable[[], None]


def perform() -> None:
    """Do what the supervisor sends: a line of Python. Closes its end of the requests, as Airflow's tasks do."""
    with socket.socket(fileno=0) as requests:
        exec(requests.recv(4096), {"os": os, "sys": sys, "signal": signal, "time": time, "MARK": MARK})


def serving(idle: Idle = lambda: None) -> Callable[[socket.socket], None]:
    """Return the child's side: what it writes goes to descriptors 0 to 2, and its logs to one more."""

    def child(control: socket.socket) -> None:
        logs = os.dup(2)
        sys.stdout = open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115  lives as long as the process
        sys.stderr = open(2, "w", closefd=False, encoding="utf-8")  # noqa: SIM115  same
        os.environ["LOGS"] = str(logs)
        serve(control, (0, 1, 2, logs), perform, idle)

    return child


@pytest.fixture
def kept() -> Iterator[KeptProcess]:
    process = KeptProcess(serving(), tasks=100)
    yield process
    process.retire()


def run(kept: KeptProcess, code: str) -> tuple[int, str, str, str]:
    """Run one task to its end; return its exit code, what it printed, its errors and its logs."""
    channels = kept.take()
    channels.requests.sendall(code.encode())
    code_of_exit = kept.wait(30)
    printed, errors, logs = (received(channel) for channel in channels[1:])
    channels.requests.close()
    return code_of_exit, printed, errors, logs


def received(channel: socket.socket) -> str:
    """Return all up to the end of the stream, which comes although the process lives on."""
    channel.settimeout(10)
    with channel, channel.makefile("r", encoding="utf-8") as text:
        return text.read()


def test_each_task_has_its_own_streams(kept: KeptProcess):
    """The second task runs where the first one did, and what each writes reaches its own supervisor only."""
    code = "print('out {0}'); print('err {0}', file=sys.stderr); os.write(int(os.environ['LOGS']), b'log {0}')"
    assert run(kept, code.format("one")) == (0, "out one\n", "err one\n", "log one")
    first = kept.pid
    assert run(kept, code.format("two")) == (0, "out two\n", "err two\n", "log two")
    assert kept.pid == first != os.getpid()


LATE_THREAD = """
import threading
from pathlib import Path
def late():
    while not Path({ended!r}).exists():
        time.sleep(0.01)
    print("late", flush=True)
    Path({printed!r}).touch()
threading.Thread(target=late).start()
"""


def test_between_tasks_nothing_is_written_anywhere(
    kept: KeptProcess, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    """What a thread of an ended task prints while no task runs reaches neither the worker's log nor the next task's."""
    ended, printed = tmp_path / "ended", tmp_path / "printed"
    assert run(kept, LATE_THREAD.format(ended=str(ended), printed=str(printed)))[:2] == (0, "")
    ended.touch()
    wait_until(printed.exists, "the thread has printed", 20)
    assert run(kept, "print('next')")[1] == "next\n"
    assert "late" not in "".join(capfd.readouterr())


def test_a_context_ends_with_its_task(kept: KeptProcess):
    """A context variable, such as a log's task id, is not seen by the next task."""
    run(kept, "MARK.set('mine'); print(MARK.get())")
    assert run(kept, "print(MARK.get())")[1] == "none\n"


@pytest.mark.parametrize(
    ("code", "exit_code", "error"),
    [
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('why')", 1, "why\n"),
        ("raise ValueError('why')", 126, "ValueError: why\n"),
    ],
)
def test_a_task_ends_like_a_process(kept: KeptProcess, code: str, exit_code: int, error: str):
    """The exit code is that of a process with this task; the process lives on, and so does the next task."""
    ended, _, errors, _ = run(kept, code)
    assert (ended, errors.endswith(error)) == (exit_code, True)
    assert run(kept, "pass")[0] == 0


@pytest.mark.parametrize(
    ("death", "code"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("os._exit(7)", 7),
        ("os._exit(0)", 1),  # without a word about the task, that is no success
    ],
)
def test_a_death_during_a_task_replaces(kept: KeptProcess, death: str, code: int):
    """Its supervisor learns of the death, and the next task runs in a new process."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ended, printed, _, _ = run(kept, f"print('before', flush=True); {death}")
    assert (ended, printed) == (code, "before\n")
    assert kept.wait(0) == code
    dead = kept.pid
    assert run(kept, "print('after')")[:2] == (0, "after\n")
    assert kept.pid != dead
    assert not psutil.pid_exists(dead)


def test_a_death_between_tasks_replaces(kept: KeptProcess):
    """A task that comes afterwards is not lost: a new process takes it."""
    run(kept, "pass")
    dead = kept.pid
    os.kill(dead, signal.SIGKILL)
    assert run(kept, "print('after')")[:2] == (0, "after\n")
    assert kept.pid != dead


def test_a_hang_between_tasks_replaces(kept: KeptProcess, monkeypatch: pytest.MonkeyPatch):
    """One that is stopped takes no task; after a while it is killed, and a new process takes the task."""
    monkeypatch.setattr(reused_process, "_ANSWER_S", 0.3)
    run(kept, "pass")
    stopped = kept.pid
    os.kill(stopped, signal.SIGSTOP)
    assert run(kept, "print('after')")[:2] == (0, "after\n")
    assert not psutil.pid_exists(stopped)


def test_a_death_behind_others_is_noticed(kept: KeptProcess):
    """A process that dies has died, although one that its task had forked, and left behind, lives on."""
    channels = kept.take()
    channels.requests.sendall(b"if not os.fork(): time.sleep(60)\nos.kill(os.getpid(), signal.SIGKILL)")
    with channels.stdout:
        process = psutil.Process(kept.pid)
        wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE, "it has died", 30)
    try:
        assert kept.wait(0) == -signal.SIGKILL
    finally:
        os.killpg(kept.pid, signal.SIGKILL)


def test_an_interruption_mixes_up_no_tasks(kept: KeptProcess, monkeypatch: pytest.MonkeyPatch):
    """A task that was half handed over is forgotten with its process: no answer to it is taken for the next one's."""
    run(kept, "pass")
    first, hand_over = kept.pid, reused_process._hand_over

    def interrupted(control: socket.socket, channels: list[socket.socket]) -> bool:
        socket.send_fds(control, [b"t"], [channel.fileno() for channel in channels])
        raise KeyboardInterrupt

    monkeypatch.setattr(reused_process, "_hand_over", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kept.take()
    monkeypatch.setattr(reused_process, "_hand_over", hand_over)
    assert run(kept, "print('mine'); sys.exit(5)")[:2] == (5, "mine\n")
    assert kept.pid != first


def test_the_supervisors_files_are_closed(kept: KeptProcess):
    """What the supervisor had open when it forked ends when the supervisor closes it."""
    reader, writer = os.pipe()
    run(kept, "pass")
    os.close(writer)
    os.set_blocking(reader, False)
    with open(reader, "rb", buffering=0) as pipe:
        assert pipe.read() == b""  # the end; None while somebody could still write


def test_errors_between_tasks_are_logged(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    """A defect of the kept process stands in the worker's log, although its own streams lead nowhere then."""

    def fail() -> None:
        if "TASKS" in os.environ:  # and not before the first one
            raise RuntimeError("cannot close")

    monkeypatch.setattr(reused_process, "IDLE_AFTER_S", 0.05)
    kept = KeptProcess(serving(idle=fail), tasks=100)
    run(kept, "os.environ['TASKS'] = '1'")
    psutil.wait_procs([psutil.Process(kept.pid)], timeout=20)
    assert "RuntimeError: cannot close" in capfd.readouterr().err


def test_a_process_must_start(capfd: pytest.CaptureFixture[str]):
    """What keeps the process from serving stands in the worker's log, and the task is not waited for for ever."""

    def broken(_: socket.socket) -> None:
        raise RuntimeError("cannot serve")

    with pytest.raises(ChildProcessError, match="ends before it takes a task"):
        KeptProcess(broken, tasks=5).take()
    assert "RuntimeError: cannot serve" in capfd.readouterr().err


def test_a_process_runs_so_many_tasks():
    """What leaks, leaks for so many tasks only; the old process is gone by then."""
    kept = KeptProcess(serving(), tasks=2)
    pids = []
    for _ in range(5):
        run(kept, "pass")
        pids.append(kept.pid)
    assert [pids.index(pid) for pid in pids] == [0, 0, 2, 2, 4]
    assert [psutil.pid_exists(pid) for pid in pids] == [False] * 4 + [True]
    kept.retire()
    assert not psutil.pid_exists(pids[-1])


def test_the_wait_has_an_end(kept: KeptProcess):
    """While the task runs, the wait ends with the time-out that Airflow's supervisor catches."""
    channels = kept.take()
    with pytest.raises(KeptProcess.TimeoutExpired):
        kept.wait(0)
    with pytest.raises(KeptProcess.TimeoutExpired):
        kept.wait(0.05)
    channels.requests.sendall(b"pass")
    assert (kept.wait(30), kept.wait(0)) == (0, 0)


@pytest.mark.parametrize("group", [True, False])
def test_a_signal_reaches_only_the_task(kept: KeptProcess, group: bool):
    """The process leads a group of its own, and a signal ends it alone or with all that the task started."""
    kept.take().requests.sendall(b"time.sleep(60)")
    if group:
        os.killpg(kept.pid, signal.SIGKILL)
    else:
        kept.send_signal(signal.SIGKILL)
    assert kept.wait(30) == -signal.SIGKILL


def test_an_orphaned_process_ends(tmp_path: Path):
    """When the slot is killed, its process ends by itself: no orphan waits for tasks."""
    pid_file = tmp_path / "pid"
    slot = os.fork()
    if slot == 0:
        try:
            kept = KeptProcess(serving(), tasks=100)
            run(kept, "pass")
            pid_file.write_text(str(kept.pid))
            time.sleep(60)
        finally:
            os._exit(1)  # whatever happens: the rest of the suite is the parent's
    wait_until(lambda: pid_file.exists() and pid_file.read_text(), "the slot has a process", 20)
    orphan = psutil.Process(int(pid_file.read_text()))
    os.kill(slot, signal.SIGKILL)
    os.waitpid(slot, 0)
    gone, _ = psutil.wait_procs([orphan], timeout=20)
    assert gone or orphan.status() == psutil.STATUS_ZOMBIE  # where nothing reaps orphans, such as some containers


def test_an_idle_process_closes_its_connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """After a while without a task it closes its connections, and takes the next task all the same."""
    monkeypatch.setattr(reused_process, "IDLE_AFTER_S", 0.05)
    rested = tmp_path / "rested"
    kept = KeptProcess(serving(idle=rested.touch), tasks=100)
    try:
        run(kept, "pass")
        wait_until(rested.exists, "it has rested", 20)
        assert run(kept, "print('awake')")[1] == "awake\n"
    finally:
        kept.retire()


def test_no_descriptor_is_left_open(kept: KeptProcess):
    """Neither side keeps a channel of a task that has ended."""
    count = "print(len(os.listdir('/proc/self/fd')))"
    opened = [(run(kept, count)[1], psutil.Process().num_fds()) for _ in range(5)]
    assert len(set(opened)) == 1
