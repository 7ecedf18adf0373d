"""A small TCP server that behaves as badly as a test wants: real sockets, no mocks."""

import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

#: Serves one connection; returns when it is done with it. The connection is closed afterwards.
Behaviour = Callable[["Connection"], None]


class HungUp(Exception):
    """The client closed the connection."""


@dataclass
class Connection:
    """The server's end of one connection. ``number`` counts connections from 1."""

    sock: socket.socket
    number: int
    server: "Wire"

    def read_request(self) -> bytes:
        """Read one request (it has no body) and note it. Raises HungUp."""
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            piece = self.sock.recv(65_536)
            if not piece:
                raise HungUp
            request += piece
        self.server.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, every_s: float = 0.02) -> None:
        """Send a byte now and then until the client hangs up; the data start over when they are used up."""
        while not self.server.stopping.wait(every_s):
            for byte in data:
                self.send(bytes([byte]))
                if self.server.stopping.wait(every_s):
                    return

    def wait_for_hang_up(self) -> None:
        """Say nothing until the client closes its end."""
        while self.sock.recv(65_536):
            pass

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@dataclass
class Wire:
    """The running server: where it is, and every request it has read."""

    url: str
    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    problems: list[Exception] = field(default_factory=list)


def response(body: bytes = b"", status: int = 200, *headers: str, length: bool = True) -> bytes:
    """Build a response as bytes; without ``length`` the end of the connection ends it."""
    lines = [f"HTTP/1.1 {status} Whatever", *headers]
    lines.append(f"Content-Length: {len(body)}" if length else "Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def answering(*responses: bytes) -> Behaviour:
    """Answer each request with the next response, over all connections; the last one repeats. Keeps alive."""
    lock = threading.Lock()
    left = list(responses)

    def behave(connection: Connection) -> None:
        while True:
            connection.read_request()
            with lock:
                reply = left.pop(0) if len(left) > 1 else left[0]
            connection.send(reply)
            if b"Content-Length" not in reply.partition(b"\r\n\r\n")[0]:
                return

    return behave


@contextmanager
def wire(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Wire]:
    """Run the server on a free loopback port until the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        port = listener.getsockname()[1]
        server = Wire(f"{'https' if tls else 'http'}://127.0.0.1:{port}", port)
        acceptor = threading.Thread(target=_accept, args=(listener, server, behave, tls))
        acceptor.start()
        try:
            yield server
        finally:
            server.stopping.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            acceptor.join()
    if server.problems:
        raise server.problems[0]


def _accept(listener: socket.socket, server: Wire, behave: Behaviour, tls: ssl.SSLContext | None) -> None:
    threads = []
    sockets = []
    while True:
        try:
            sock, _ = listener.accept()
        except OSError:
            break
        server.connections += 1
        sockets.append(sock)
        threads.append(threading.Thread(target=_serve, args=(sock, server.connections, server, behave, tls)))
        threads[-1].start()
    for sock in sockets:
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()


def _serve(sock: socket.socket, number: int, server: Wire, behave: Behaviour, tls: ssl.SSLContext | None) -> None:
    """Serve one connection; a client that leaves is no problem, anything else fails the test."""
    try:
        with sock:
            if tls is None:
                behave(Connection(sock, number, server))
                return
            with tls.wrap_socket(sock, server_side=True) as secured:
                behave(Connection(secured, number, server))
    except (HungUp, OSError):
        pass
    except Exception as error:  # noqa: BLE001  it fails the test, in the test's own thread
        server.problems.append(error)


def make_certificate(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 and its key into one PEM file; return its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def server_context(certificate: Path) -> ssl.SSLContext:
    """Return a server's TLS context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
