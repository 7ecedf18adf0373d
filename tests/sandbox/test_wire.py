"""Each fault of the wire as a real client sees it on a real socket."""

import gzip
import http.client
import json
import socket
import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests

from sandbox.faults import GROUPS
from sandbox.running import RunningSandbox, running
from sandbox.wire_faults import BOMB_BYTES, OVERSIZED_BYTES

STALL_S = 0.4


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with running("--plan", "unlimited", "--stall", str(STALL_S)) as server:
        yield server


def raw(sandbox: RunningSandbox, fault: str) -> tuple[bytes, str]:
    """Send one request by hand; return all bytes that came and how the connection ended."""
    where = urlsplit(sandbox.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(
            b"GET /query?function=GLOBAL_QUOTE&symbol=IBM&apikey=k HTTP/1.1\r\nHost: x\r\n"
            b"X-Sandbox-Fault: %s\r\nConnection: close\r\n\r\n" % fault.encode()
        )
        received = b""
        try:
            while part := connection.recv(65_536):
                received += part
        except ConnectionResetError:
            return received, "reset"
        return received, "closed"


def pieces(sandbox: RunningSandbox, fault: str) -> list[bytes]:
    """Return what each read of the socket gave."""
    where = urlsplit(sandbox.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(
            b"GET /query?function=GLOBAL_QUOTE&symbol=FAULT-%s&apikey=k HTTP/1.1\r\nHost: x\r\n\r\n"
            % fault.upper().encode()
        )
        parts = []
        while part := connection.recv(65_536):
            parts.append(part)
        return parts


def get(sandbox: RunningSandbox, fault: str) -> requests.Response:
    return requests.get(
        f"{sandbox.url}/query",
        {"function": "GLOBAL_QUOTE", "symbol": "IBM", "apikey": "k"},
        headers={"X-Sandbox-Fault": fault},
        timeout=30,
        allow_redirects=False,
    )


def split(received: bytes) -> tuple[bytes, bytes]:
    head, _, body = received.partition(b"\r\n\r\n")
    return head, body


def promised(head: bytes) -> int:
    (length,) = (line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    return int(length.split()[1])


def right_body(sandbox: RunningSandbox) -> bytes:
    parameters = {"function": "GLOBAL_QUOTE", "symbol": "IBM", "apikey": "k"}
    return requests.get(f"{sandbox.url}/query", parameters, timeout=30).content


def test_a_reset_before_the_reply(sandbox):
    """Not a byte comes, and the connection is reset."""
    assert raw(sandbox, "reset-before") == (b"", "reset")


def test_a_reset_after_the_headers(sandbox):
    """All headers and no body come before the reset."""
    received, end = raw(sandbox, "reset-headers")
    assert end == "reset"
    assert received.endswith(b"\r\n\r\n")
    assert promised(received) == len(right_body(sandbox))


def test_a_reset_amid_the_body(sandbox):
    """The first half of the body comes before the reset."""
    received, end = raw(sandbox, "reset-body")
    assert end == "reset"
    assert split(received)[1] == right_body(sandbox)[: len(right_body(sandbox)) // 2]


def test_connection_that_ends_without_reply(sandbox):
    """http.client calls it a remote disconnect."""
    assert raw(sandbox, "close-before") == (b"", "closed")
    where = urlsplit(sandbox.url)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
    connection.request("GET", "/query?function=GLOBAL_QUOTE&symbol=FAULT-CLOSE-BEFORE&apikey=k")
    with pytest.raises(http.client.RemoteDisconnected):
        connection.getresponse()


def test_a_truncated_body_that_tells_it(sandbox):
    """Content-Length promises twice what comes; the chunks lack the last one."""
    head, body = split(raw(sandbox, "truncated")[0])
    assert promised(head) == len(right_body(sandbox))
    assert len(body) == promised(head) // 2
    _, chunks = split(raw(sandbox, "truncated-chunked")[0])
    assert not chunks.endswith(b"0\r\n\r\n")
    for fault in ("truncated", "truncated-chunked"):
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            get(sandbox, fault)


def test_truncated_body_that_does_not_tell(sandbox):
    """requests takes the half for the whole; only the JSON shows it."""
    reply = get(sandbox, "truncated-silent")
    assert reply.status_code == 200
    assert "Content-Length" not in reply.headers
    assert reply.content == right_body(sandbox)[: len(reply.content)] != right_body(sandbox)


@pytest.mark.parametrize("fault", ["stall", "stall-body", "drip-headers", "drip-body"])
def test_slow_reply_is_right_in_end(sandbox, fault):
    """A patient client gets the whole quote."""
    assert get(sandbox, fault).content == right_body(sandbox)


def test_a_drip_comes_in_many_pieces(sandbox):
    """Headers or body come in dozens of reads, each well within a client's time-out for one read."""
    headers = pieces(sandbox, "drip-headers")
    assert len(headers) > 20
    assert b"\r\n\r\n" not in b"".join(headers[:10])
    body = pieces(sandbox, "drip-body")
    assert len(body) > 20
    assert body[0].endswith(b"\r\n\r\n") or b"\r\n\r\n{" in body[0]


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_status_with_a_page(sandbox, status):
    """The status comes with an HTML page; 429 says when to come back."""
    reply = get(sandbox, f"http{status}")
    assert reply.status_code == status
    assert reply.headers["Content-Type"] == "text/html"
    assert reply.text.startswith("<!doctype html>")
    assert reply.headers.get("Retry-After") == ("2" if status == 429 else None)


def test_a_redirect_leads_to_a_refusal(sandbox):
    """The new address holds no key, and whoever goes there is told off."""
    reply = get(sandbox, "redirect")
    assert (reply.status_code, reply.headers["Location"]) == (302, "/sandbox/redirected")
    assert requests.get(f"{sandbox.url}/sandbox/redirected", timeout=30).status_code == 410


def test_a_wrong_content_type(sandbox):
    """The right body comes as HTML."""
    reply = get(sandbox, "content-type")
    assert reply.headers["Content-Type"].startswith("text/html")
    assert reply.content == right_body(sandbox)


def test_an_oversized_body_is_valid(sandbox):
    """32 MB of valid JSON come, without a length."""
    reply = get(sandbox, "oversized")
    assert len(reply.content) == OVERSIZED_BYTES + len(right_body(sandbox))
    assert "Content-Length" not in reply.headers
    assert json.loads(reply.content) == json.loads(right_body(sandbox))


def test_bomb_unpacks_to_much(sandbox):
    """Less than a megabyte is valid gzip of 256 MB that begin with the right document."""
    head, packed = split(raw(sandbox, "bomb")[0])
    assert b"content-encoding: gzip" in head
    assert len(packed) == promised(head) < 2**20
    sizes = []
    while packed:
        member = zlib.decompressobj(wbits=31)
        sizes.append(len(member.decompress(packed)))
        packed = member.unused_data
    assert sizes[0] == len(right_body(sandbox))
    assert sum(sizes[1:]) == BOMB_BYTES


def test_body_claims_to_be_gzip(sandbox):
    """A client that unpacks it fails."""
    _, body = split(raw(sandbox, "bad-gzip")[0])
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(body)


@pytest.mark.parametrize("fault", [*GROUPS["payload"], *GROUPS["refusal"]])
def test_payload_faults_arrive_with_status_200(sandbox, fault):
    """A wrong body or a refusal comes whole, as JSON, on a connection that goes on, and is logged by its name."""
    right = right_body(sandbox)
    with requests.Session() as session:
        for _ in range(2):
            reply = session.get(
                f"{sandbox.url}/query",
                params={"function": "GLOBAL_QUOTE", "symbol": "IBM", "apikey": "k"},
                headers={"X-Sandbox-Fault": fault},
                timeout=30,
            )
            assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/json")
            assert len(reply.content) == int(reply.headers["Content-Length"])
            assert reply.content != right
    assert sandbox.entries()[-1].verdict == f"fault:{fault}"


def test_an_unknown_fault_is_refused(sandbox):
    """A header that names no fault is the tester's mistake: status 400, and no call is made."""
    before = len(sandbox.entries())
    reply = get(sandbox, "no-such-fault")
    assert reply.status_code == 400
    assert "'no-such-fault' is not a fault" in reply.text
    assert len(sandbox.entries()) == before


def test_the_server_survives_all_of_it(sandbox):
    """After every fault of the wire in turn it still answers, and complained about nothing."""
    for fault in (*GROUPS["network"], *GROUPS["slow"]):
        raw(sandbox, fault)
    assert requests.get(f"{sandbox.url}/sandbox/health", timeout=30).json()["status"] == "ok"
    assert json.loads(right_body(sandbox))["Global Quote"]["01. symbol"] == "IBM"
