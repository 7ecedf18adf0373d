"""Connections to PostgreSQL: how many, how long one is waited for, how they are replaced after a restart."""

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from select import POLLIN, poll
from typing import Any, TypeVar

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE, TransactionRollbackError
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from common.database.address import Address
from common.database.queries import statement
from common.errors import StoreUnavailable

T = TypeVar("T")


class Connections:
    """At most ``size`` connections, opened when one is needed and kept; safe between threads.

    Not to be shared across a fork once it has connected: build one in the process that uses it.
    """

    def __init__(self, address: Address, *, size: int, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._size = size
        self._slots = threading.BoundedSemaphore(size)
        self._idle: deque[Connection] = deque()

    def run(self, work: Callable[[Cursor], T]) -> T:
        """Run ``work`` in one transaction and return its result; any failure rolls back.

        A transaction that PostgreSQL gave up for another's sake (deadlock, serialisation) is run once more.
        Raises StoreUnavailable, StoreNotReady or RowRefused.
        """
        with self._address.errors_translated():
            try:
                return self._attempt(work)
            except TransactionRollbackError:
                return self._attempt(work)

    def execute(self, name: str, values: Mapping[str, object]) -> int:
        """Run a named statement in a transaction of its own; return the number of rows that it touched."""

        def execute(cursor: Cursor) -> int:
            cursor.execute(statement(name), values)
            return int(cursor.rowcount)

        return self.run(execute)

    def query(self, name: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Run a named statement in a transaction of its own; return its rows."""

        def query(cursor: Cursor) -> list[tuple[Any, ...]]:
            cursor.execute(statement(name), values)
            return cursor.fetchall()

        return self.run(query)

    def close(self) -> None:
        """Close the connections that are not in use now."""
        while self._idle:
            _close(self._idle.pop())

    def _attempt(self, work: Callable[[Cursor], T]) -> T:
        with (
            self._lend() as connection,
            _cut_after(2 * self._timeout_s, connection),
            connection,  # commits, or rolls back
            connection.cursor() as cursor,
        ):
            return work(cursor)

    @contextmanager
    def _lend(self) -> Iterator[Connection]:
        """Lend a connection; it is kept afterwards unless an error left it in doubt."""
        if not self._slots.acquire(timeout=self._timeout_s):
            raise StoreUnavailable(
                f"all {self._size} connections to PostgreSQL at {self._address} were busy for {self._timeout_s:g} s; "
                "try again, or let fewer threads share the store."
            )
        try:
            connection = self._take_idle() or self._address.connect()
            try:
                yield connection
            finally:
                self._take_back(connection)
        finally:
            self._slots.release()

    def _take_back(self, connection: Connection) -> None:
        if connection.closed or connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
            _close(connection)
        else:
            self._idle.append(connection)

    def _take_idle(self) -> Connection | None:
        """Return a kept connection that the server has not closed meanwhile, as a restart does."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if not connection.closed and not _has_input(connection):
                return connection
            _close(connection)


def _has_input(connection: Connection) -> bool:
    """Tell whether something arrived unasked: on an idle connection that is its end. Costs no round trip."""
    poller = poll()
    poller.register(connection, POLLIN)
    return bool(poller.poll(0))


def _close(connection: Connection) -> None:
    with suppress(psycopg2.Error):  # it is thrown away: how it ends changes nothing
        connection.close()


@contextmanager
def _cut_after(seconds: float, connection: Connection) -> Iterator[None]:
    """Cut the connection if the block lasts longer: a server that hangs keeps no statement timeout.

    libpq waits without end then, and no signal handler of Python runs meanwhile.
    """
    lock, over = threading.Lock(), False

    def cut() -> None:
        with lock:
            if not over and not connection.closed:
                with socket.socket(fileno=os.dup(connection.fileno())) as wire, suppress(OSError):
                    wire.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with lock:
            over = True
