"""A process that a worker's slot keeps, and that runs TASKS_PER_PROCESS of its tasks one after the other.

Airflow forks a process for each task. What such a process touches is copied, what it needs is connected again, and both
cost more than a short task's work. Here the slot's supervisor forks one process, and hands each task to it. Free of
Airflow.

The protocol, over a pair of sockets: for each task the supervisor sends one byte with the descriptors of the task's
channels (SCM_RIGHTS of unix(7)); the process answers with the same byte when it has them, and with the exit code, a
signed integer of 32 bits, when the task has ended. The end of the stream is the other side's death.
"""

import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from select import POLLIN, poll
from typing import Final, NamedTuple, NoReturn

import psutil

from common.parent_death import end_with_parent

#: A process that has nothing to do for this long (s) closes its connections.
IDLE_AFTER_S: Final = 10.0
#: How long (s) a process may take to accept a task, its first one, and to end once its supervisor let go of it.
_ANSWER_S: Final = 10.0
_START_S: Final = 60.0
_TASK: Final = b"t"
_CODE: Final = struct.Struct("!i")
#: The exit code of a task that let an exception escape, as Airflow's own supervisor has it.
_ESCAPED: Final = 126


class Channels(NamedTuple):
    """A task's sockets: requests to its supervisor, standard output and error, and structured logs."""

    requests: socket.socket
    stdout: socket.socket
    stderr: socket.socket
    logs: socket.socket


class KeptProcess:
    """The supervisor's side: at most one process, forked when a task needs one, replaced after ``tasks`` tasks.

    ``serve`` runs in the forked process with its end of the control socket; serve() below is most of it. The object is
    also the process tracker that Airflow's supervisor watches a task with: there the *task's* end counts as the end,
    with the task's exit code, and a signal goes to the process.
    """

    ProcessNotFound = psutil.NoSuchProcess
    TimeoutExpired = psutil.TimeoutExpired

    def __init__(self, serve: Callable[[socket.socket], None], *, tasks: int) -> None:
        self._serve = serve
        self._most = tasks
        self._taken = 0
        self._control: socket.socket | None = None
        self._process: psutil.Process | None = None
        self._code: int | None = None

    @property
    def pid(self) -> int:
        """The process of the task that was taken last."""
        return self._of_a_task().pid

    def take(self) -> Channels:
        """Hand a new task to the process and return the supervisor's ends of its channels.

        A process that died or hangs since the last task is replaced. Raises ChildProcessError where a new one dies too.
        """
        if self._taken >= self._most:
            self.retire()
        for _ in range(2):
            if channels := self._offer():
                return channels
        raise ChildProcessError("the slot's process ends before it takes a task; the worker's log says why.")

    def _offer(self) -> Channels | None:
        """Offer a task to the process; return its channels once it has taken it, None if it will not."""
        control = self._control or self._fork()
        ours, theirs = zip(*(socket.socketpair() for _ in Channels._fields), strict=True)
        accepted = False
        try:
            accepted = _hand_over(control, theirs)
        finally:
            for channel in theirs if accepted else (*theirs, *ours):
                channel.close()
            if not accepted:  # nor is a late answer ever taken for that to another task
                self.retire()
        if not accepted:
            return None
        control.settimeout(_ANSWER_S)
        self._taken += 1
        self._code = None
        return Channels(*ours)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code of the task, once it has ended; a signal that ended its process as a negative number.

        Raises TimeoutExpired after ``timeout`` seconds.
        """
        if self._code is None:
            self._code = self._wait(timeout)
        return self._code

    def send_signal(self, number: int) -> None:
        """Send a signal to the process. Raises ProcessNotFound."""
        self._of_a_task().send_signal(number)

    def retire(self) -> None:
        """Let go of the process, and see it end; the next task gets a new one."""
        if self._control:
            self._control.close()
            self._control = None
            self._reap()

    def _of_a_task(self) -> psutil.Process:
        if not self._process:
            raise LookupError("no task was taken yet")
        return self._process

    def _wait(self, timeout: float | None) -> int:
        if not self._control:
            return self._reap()
        if _readable(self._control, timeout):
            with suppress(ConnectionError):
                if code := self._control.recv(_CODE.size, socket.MSG_WAITALL):
                    return int(_CODE.unpack(code)[0])
        elif not self._is_dead():
            raise psutil.TimeoutExpired(timeout or 0, self.pid)
        self._control.close()
        self._control = None
        return self._reap() or 1  # it died during the task: not even exit code 0 makes that a success

    def _is_dead(self) -> bool:
        """Tell whether the process died and something that it had forked holds its end of the control socket."""
        try:
            return self._of_a_task().status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def _reap(self) -> int:
        process = self._of_a_task()
        try:
            return process.wait(_ANSWER_S) or 0
        except psutil.TimeoutExpired:
            process.kill()
            return process.wait() or 0

    def _fork(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            ours.close()
            _become(self._serve, theirs)
        theirs.close()
        with suppress(OSError):  # here as well as there: the group exists whoever comes first
            os.setpgid(pid, pid)
        ours.settimeout(_START_S)
        self._process = psutil.Process(pid)
        self._control, self._taken = ours, 0
        return ours


def _hand_over(control: socket.socket, channels: Sequence[socket.socket]) -> bool:
    try:
        socket.send_fds(control, [_TASK], [channel.fileno() for channel in channels])
        return control.recv(len(_TASK)) == _TASK
    except OSError:  # it is gone, or hangs
        return False


def _readable(source: socket.socket, timeout_s: float | None) -> bool:
    poller = poll()
    poller.register(source, POLLIN)
    return bool(poller.poll(None if timeout_s is None else max(0, timeout_s) * 1000))


def _become(serve: Callable[[socket.socket], None], control: socket.socket) -> NoReturn:
    """Be the kept process: nothing may return into the code of the process that forked."""
    code = 1
    errors = os.fdopen(os.dup(2), "w", encoding="utf-8")  # the worker's log, whatever becomes of standard error
    try:
        end_with_parent(signal.SIGKILL)  # as in a container: a worker that was killed leaves nothing at work
        os.setpgid(0, 0)  # a signal for a task's group reaches what the task started, and not the supervisor
        _let_go(keep={0, 1, 2, control.fileno(), errors.fileno()})
        serve(control)
        code = 0
    except BaseException:  # noqa: BLE001  the trace goes to the worker's log
        traceback.print_exc(file=errors)
        errors.flush()
    os._exit(code)


def _let_go(keep: set[int]) -> None:
    """Let go of the supervisor's files and sockets: its pipes to the worker, the log of the task that it forked for.

    They lead nowhere from now on. To close them would give their numbers to others, which an object of the supervisor
    that is still in memory could close.
    """
    with open(os.devnull, "r+b", buffering=0) as nowhere:
        inherited = {int(name) for name in os.listdir("/proc/self/fd")} - keep - {nowhere.fileno()}
        for number in inherited:
            with suppress(OSError):  # the one that listed them is closed
                os.fstat(number)
                os.dup2(nowhere.fileno(), number, inheritable=False)


def serve(control: socket.socket, streams: Sequence[int], work: Callable[[], None], idle: Callable[[], None]) -> None:
    """Run ``work`` for each task that is handed over; return when the supervisor is gone. The kept process's side.

    ``streams`` are the descriptors at which a task finds its channels, in the order of Channels. Between two tasks they
    lead nowhere; what a thread of an ended task writes later goes to the task that runs then. ``idle`` is called after
    each longer time without a task.
    """
    with open(os.devnull, "r+b", buffering=0) as nowhere:
        _lead(streams, [nowhere.fileno()] * len(streams))
        while channels := _next_task(control, len(streams), idle):
            _lead(streams, channels)
            for channel in channels:
                os.close(channel)
            code = _run(work)
            _lead(streams, [nowhere.fileno()] * len(streams))
            control.sendall(_CODE.pack(code))


def _next_task(control: socket.socket, count: int, idle: Callable[[], None]) -> list[int]:
    """Wait for a task; return its channels' descriptors, none when the supervisor is gone."""
    if not _readable(control, IDLE_AFTER_S):
        idle()
    try:
        message, channels, _, _ = socket.recv_fds(control, len(_TASK), count)
        if message:
            control.sendall(_TASK)
    except ConnectionError:
        return []
    return channels


def _lead(streams: Sequence[int], targets: Sequence[int]) -> None:
    for stream, target in zip(streams, targets, strict=True):
        os.dup2(target, stream, inheritable=stream <= 2)  # noqa: PLR2004  what a task starts has standard streams


def _run(work: Callable[[], None]) -> int:
    """Run a task in a context of its own; return what its exit code would be as a process."""
    code: object = 0
    try:
        copy_context().run(work)
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:  # noqa: BLE001  as at the end of a process; the trace goes to the task's log
        traceback.print_exc()
        code = _ESCAPED
    if not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201  as the interpreter does it
        code = 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the supervisor may be gone, or the task have closed it
            stream.flush()
    return code
