"""Signals that come while PostgreSQL works: its statement is cancelled at once, and what was begun is cleared away."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from types import FrameType
from typing import Final, NoReturn

#: What else than Ctrl-C asks a command to end, and would end it on the spot.
_ENDS: Final = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(cancel: Callable[[], None]) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGHUP unwind the block, and call ``cancel`` from another thread when one comes.

    Python runs a signal's handler only when libpq returns, which for a long sort is minutes later. SIGINT raises
    KeyboardInterrupt, the others raise SystemExit with the shell's exit code, 128 and the number. What was ignored (by
    nohup) stays so. For a process's main thread.
    """
    told, teller = socket.socketpair()
    teller.setblocking(False)
    former = {number: signal.getsignal(number) for number in _ENDS}
    watcher = Thread(target=_watch, args=(told, cancel), daemon=True)
    watcher.start()
    woken = signal.set_wakeup_fd(teller.fileno())
    try:
        for number, handler in former.items():
            if handler is signal.SIG_DFL:
                signal.signal(number, _end)
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in former.items():
            signal.signal(number, handler)
        teller.close()
        watcher.join()
        told.close()


def _watch(told: socket.socket, cancel: Callable[[], None]) -> None:
    """Cancel for each of the signals, whose numbers Python writes; end when nobody can write any more."""
    while numbers := told.recv(64):
        if not {signal.SIGINT, *_ENDS}.isdisjoint(numbers):
            cancel()


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
