"""The time-out of an HTTP call, one for all of it: name resolution, connect, TLS, headers and body together.

``requests`` and urllib3 bound each read on its own, so a server that sends a byte now and then holds a caller for
ever. Here the sockets themselves ask, before each blocking operation, how much of the call's time is left. The
deadline in force is that of the surrounding ``with Deadline(seconds):`` block, a context variable, so it is each
thread's own although connections are pooled. No watchdog thread, and nothing that can fire too late.

Sources: socket timeouts bound one operation (``socket.sendall`` and a TLS handshake as a whole, docs.python.org);
``SSLContext.sslsocket_class`` and urllib3's ``pool_classes_by_scheme`` are the documented places to put own classes.
"""

import queue
import socket
import ssl
import threading
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final, Self

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import ConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from common.clock import boot_clock

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

_in_force: ContextVar["Deadline | None"] = ContextVar("deadline", default=None)


class Deadline:
    """``seconds`` from the time at which the block is entered. ``request_sent``: whether a request left this machine.

    ``request_sent`` errs on the side of True: a CONNECT to a proxy counts. ``may_send`` is asked right before bytes
    leave; what it forbids is not sent, and ``forbidden`` says so.
    """

    def __init__(self, seconds: float, may_send: Callable[[], bool] | None = None) -> None:
        self.seconds = seconds
        self.request_sent = False
        self.forbidden = False
        self._may_send = may_send
        self._ends_at = boot_clock() + seconds
        self._token: Token[Deadline | None] | None = None

    def __enter__(self) -> Self:
        self._ends_at = boot_clock() + self.seconds
        self._token = _in_force.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._token:
            _in_force.reset(self._token)

    @property
    def passed(self) -> bool:
        """Whether no time is left."""
        return boot_clock() >= self._ends_at

    def remaining(self) -> float:
        """Return the seconds left. Raises TimeoutError when there are none."""
        left = self._ends_at - boot_clock()
        if left <= 0:
            raise TimeoutError("the call's total time is used up")
        return left

    def send(self) -> None:
        """Say that bytes leave now. Raises TimeoutError if they may not any more."""
        if self._may_send and not self._may_send():
            self.forbidden = True
            raise TimeoutError("it is too late to send the request")
        self.request_sent = True


class _Bounded(socket.socket):
    """Shared by both kinds of sockets: the time of each operation is what is left of the deadline."""

    def arm(self, *, sends: bool = False) -> None:
        """Set the timeout of the next operation; outside of a deadline (closing) the timeout stays as it is."""
        if deadline := _in_force.get():
            self.settimeout(deadline.remaining())
            if sends:
                deadline.send()


class BoundedSocket(_Bounded):
    """A TCP socket under the deadline in force."""

    def connect(self, address: object, /) -> None:
        """Connect within what is left."""
        self.arm()
        super().connect(address)  # type: ignore[arg-type]  # what getaddrinfo said

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """Receive within what is left."""
        self.arm()
        return super().recv(bufsize, flags)

    def recv_into(self, buffer: "WriteableBuffer", nbytes: int = 0, flags: int = 0) -> int:
        """Receive within what is left; ``makefile`` reads headers and bodies through this."""
        self.arm()
        return super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: "ReadableBuffer", flags: int = 0, /) -> None:
        """Send all within what is left."""
        self.arm(sends=True)
        super().sendall(data, flags)


class BoundedTLSSocket(ssl.SSLSocket, _Bounded):
    """A TLS socket under the deadline in force."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands within what is left."""
        self.arm()
        super().do_handshake(block)

    def read(self, len: int = 1024, buffer: "WriteableBuffer | None" = None) -> bytes:  # noqa: A002  the base's own name
        """Read within what is left; ``recv`` and ``recv_into`` come here."""
        self.arm()
        return super().read(len, buffer)

    def send(self, data: "ReadableBuffer", flags: int = 0) -> int:
        """Send within what is left; ``sendall`` comes here."""
        self.arm(sends=True)
        return super().send(data, flags)


class _Connection(HTTPConnection):
    """Opens ``BoundedSocket``s, one address after the other, all within one deadline."""

    debuglevel = 0  # http.client's own switch prints whole requests, key and all, to the standard output

    def _new_conn(self) -> socket.socket:
        problem = OSError(f"{self.host} has no address")
        for family, kind, protocol, _, address in resolve(self._dns_host, self.port):
            sock = BoundedSocket(family, kind, protocol)
            try:
                for option in self.socket_options or ():
                    sock.setsockopt(*option)
                sock.connect(address)
            except OSError as error:
                sock.close()
                problem = error
            else:
                return sock
        raise problem


class _TLSConnection(_Connection, HTTPSConnection):
    """HTTPS; its TLS context makes sockets of ours, and loads the certificates that the pool names."""

    def connect(self) -> None:
        """Connect and shake hands."""
        self.ssl_context = create_urllib3_context()
        self.ssl_context.sslsocket_class = BoundedTLSSocket
        super().connect()


class _Pool(HTTPConnectionPool):
    """Plain HTTP."""

    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    """HTTPS."""

    ConnectionCls = _TLSConnection


POOL_CLASSES: Final = {"http": _Pool, "https": _TLSPool}


def bound(manager: PoolManager) -> PoolManager:
    """Make every connection of ``manager`` obey the deadline in force. Returns ``manager``."""
    manager.pool_classes_by_scheme = dict(POOL_CLASSES)
    return manager


def reach(pool: ConnectionPool) -> None:
    """Open a connection to the pool's host (through its proxy, with TLS on https) and close it; nothing is asked.

    Raises OSError or urllib3's HTTPError.
    """
    assert isinstance(pool, HTTPConnectionPool)  # noqa: S101  for the type checker: it has no other kind
    connection = pool._new_conn()
    try:
        if pool.proxy:
            pool._prepare_proxy(connection)
        else:
            connection.connect()
    finally:
        connection.close()


def resolve(host: str, port: int) -> list[tuple[Any, ...]]:
    """Return ``socket.getaddrinfo``'s answers for TCP. Raises OSError, TimeoutError when the deadline passes.

    The resolver cannot be interrupted, so it runs in a thread that is left to itself when the time is up.
    """
    answers: queue.SimpleQueue[list[tuple[Any, ...]] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except Exception as error:  # noqa: BLE001  it is raised in the caller's thread
            answers.put(error)

    threading.Thread(target=ask, name=f"resolve-{host}", daemon=True).start()
    deadline = _in_force.get()
    try:
        answer = answers.get(timeout=deadline.remaining() if deadline else None)
    except queue.Empty:
        raise TimeoutError(f"the name {host} was not resolved in time") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
