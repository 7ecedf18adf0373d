"""The total deadline, against sockets that dawdle in every way. Without it each of these would never end."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from common.datasets.quotes import request as quote_request
from common.errors import DeadlineExceeded, NetworkFailed
from common.provider import AlphaVantageClient
from common.provider.deadline import BoundedSocket, Deadline
from common.values import Symbol
from tests.support.replies import quote_document
from tests.support.wire import Behaviour, Connection, answering, make_certificate, response, server_context, wire

IBM = Symbol("IBM")
KEY = SecretStr("MARKEDKEY0123456")
QUOTE = json.dumps(quote_document()).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def impatient(url: str, timeout_s: float = 0.3) -> AlphaVantageClient:
    return AlphaVantageClient(url, KEY, timeout_s=timeout_s, attempts=1)


def silent(connection: Connection) -> None:
    connection.read_request()
    connection.wait_for_hang_up()


def drips_status_line(connection: Connection) -> None:
    connection.read_request()
    connection.drip(b"HTTP/1.1 200 " + b"O" * 60_000)


def drips_headers(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD)
    connection.drip(b"X-Slow: and slower\r\n")


def drips_interim_responses(connection: Connection) -> None:
    connection.read_request()
    connection.drip(b"HTTP/1.1 100 Continue\r\n\r\n", every_s=0.001)


def drips_body(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b"Content-Length: 1000000\r\n\r\n")
    connection.drip(b" ")


def drips_chunks(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    connection.drip(b"1\r\n \r\n")


def drips_endless_body(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b"Connection: close\r\n\r\n")
    connection.drip(b" ")


def stalls_in_body(connection: Connection) -> None:
    connection.read_request()
    connection.send(HEAD + b"Content-Length: 1000\r\n\r\n" + b'{"Global')
    connection.wait_for_hang_up()


DAWDLERS: list[Behaviour] = [
    silent,
    drips_status_line,
    drips_headers,
    drips_interim_responses,
    drips_body,
    drips_chunks,
    drips_endless_body,
    stalls_in_body,
]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's TLS context whose certificate the client trusts, by the platform's convention."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    return server_context(certificate)


@pytest.mark.parametrize("behave", DAWDLERS, ids=lambda behave: behave.__name__)
def test_slow_reply_ends_at_deadline(behave: Behaviour):
    """However a server dawdles, the call ends, names the symbol and the limit, and counts as sent."""
    with (
        wire(behave) as server,
        impatient(server.url) as client,
        pytest.raises(DeadlineExceeded, match=r"IBM: .* within 0\.3 s") as caught,
    ):
        client.fetch(quote_request(IBM))
    assert caught.value.request_sent


@pytest.mark.parametrize("behave", [silent, drips_headers, drips_chunks], ids=lambda behave: behave.__name__)
def test_slow_tls_reply_meets_the_deadline(behave: Behaviour, trusted: ssl.SSLContext):
    """The same holds over TLS."""
    with (
        wire(behave, trusted) as server,
        impatient(server.url, 0.6) as client,
        pytest.raises(DeadlineExceeded) as caught,
    ):
        client.fetch(quote_request(IBM))
    assert caught.value.request_sent


@pytest.mark.parametrize("bytes_sent", [b"", b"\x16\x03\x03\x40\x00" + bytes(16_384)], ids=["silent", "drips"])
def test_a_handshake_that_never_ends(bytes_sent: bytes):
    """A TLS handshake that hangs, or drips one endless record, ends at the deadline and no request has left."""

    def behave(connection: Connection) -> None:
        if bytes_sent:
            connection.drip(bytes_sent)
        connection.wait_for_hang_up()

    with (
        wire(behave) as server,
        impatient(server.url.replace("http:", "https:")) as client,
        pytest.raises(DeadlineExceeded) as caught,
    ):
        client.fetch(quote_request(IBM))
    assert not caught.value.request_sent


@contextmanager
def full_backlog() -> Iterator[str]:
    """A port on which connecting never completes: nobody accepts, and the queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = []
        for _ in range(8):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            for sock in waiting:
                sock.close()


@pytest.mark.parametrize("ask", ["global_quote", "reachable"])
def test_a_connect_that_never_ends(ask: str):
    """A connection that is never accepted ends at the deadline, and no request has left."""
    with full_backlog() as url, impatient(url) as client, pytest.raises(DeadlineExceeded) as caught:
        client.reachable() if ask == "reachable" else client.fetch(quote_request(IBM))
    assert not caught.value.request_sent


def test_a_name_that_is_never_resolved(monkeypatch: pytest.MonkeyPatch):
    """The resolver, which cannot be interrupted, is left behind at the deadline."""
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait() or [])
    with impatient("http://localhost:9") as client, pytest.raises(DeadlineExceeded) as caught:
        client.fetch(quote_request(IBM))
    answered.set()
    assert not caught.value.request_sent


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch):
    """An unknown host is a network fault that names the host, and no request has left."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with impatient("http://nowhere.invalid", 20) as client, pytest.raises(NetworkFailed, match="nowhere") as caught:
        client.fetch(quote_request(IBM))
    assert not caught.value.request_sent


def test_each_call_has_its_own_deadline():
    """A pooled connection does not inherit the deadline of the call before: many slow calls all succeed."""

    def behave(connection: Connection) -> None:
        while True:
            connection.read_request()
            connection.server.stopping.wait(0.15)
            connection.send(response(QUOTE))

    with wire(behave) as server, impatient(server.url, 0.4) as client:
        for _ in range(5):
            assert client.fetch(quote_request(IBM)).document
        assert server.connections == 1


def test_a_deadline_ends_with_its_block():
    """A deadline that has passed stops a socket within its block, and has no power after it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, BoundedSocket() as client:
        client.connect(listener.getsockname())
        server, _ = listener.accept()
        with server:
            server.sendall(b"x")
            with Deadline(0), pytest.raises(TimeoutError):
                client.recv(1)
            assert client.recv(1) == b"x"


def test_threads_do_not_share_a_deadline():
    """One thread's call that runs into its deadline disturbs no other thread's call."""

    def behave(connection: Connection) -> None:
        while True:
            if b"symbol=SLOW" in connection.read_request():
                connection.drip(HEAD)
            connection.send(response(QUOTE))

    results: list[object] = []

    def call(ask: Callable[[], object]) -> None:
        try:
            results.append(ask())
        except DeadlineExceeded:
            results.append("late")

    with wire(behave) as server, impatient(server.url, 0.5) as client:
        asks = [Symbol("SLOW" if number % 2 else "IBM") for number in range(8)]
        threads = [threading.Thread(target=call, args=(lambda s=s: client.fetch(quote_request(s)).text,)) for s in asks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(map(str, results)) == sorted([QUOTE.decode()] * 4 + ["late"] * 4)


def test_tls_is_verified(certificate: Path):
    """A certificate that nobody vouches for is refused before the request, key and all, is sent."""
    with wire(answering(response(QUOTE)), server_context(certificate)) as server, impatient(server.url, 10) as client:
        with pytest.raises(NetworkFailed, match="CERTIFICATE_VERIFY_FAILED") as caught:
            client.fetch(quote_request(IBM))
        assert server.requests == []
    assert not caught.value.request_sent


def test_a_quote_over_tls(trusted: ssl.SSLContext):
    """With a certificate that is trusted a call over TLS works, and so does the next on the same connection."""
    with wire(answering(response(QUOTE)), trusted) as server, impatient(server.url, 10) as client:
        assert client.reachable() > 0
        assert [client.fetch(quote_request(IBM)).text for _ in range(2)] == [QUOTE.decode()] * 2
        assert (server.connections, len(server.requests)) == (2, 2)


def test_reachable_asks_nothing():
    """Reachability is shown by a connection alone: the server reads no request, so no quota is spent."""
    with wire(answering(response(QUOTE))) as server, impatient(server.url, 10) as client:
        assert client.reachable() > 0
        client.fetch(quote_request(IBM))
        assert (server.connections, len(server.requests)) == (2, 1)


def test_unreachable():
    """A refused connection says where and why."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with impatient(f"http://127.0.0.1:{port}") as client, pytest.raises(NetworkFailed, match="refused"):
        client.reachable()
