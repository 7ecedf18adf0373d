"""A marked key through every fault: it leaves in the request alone."""

import json
import logging
import re
import socket
import traceback
from urllib.parse import quote, quote_plus

import pytest
from pydantic import SecretStr

from common.datasets.quotes import request as quote_request
from common.errors import PipelineError, ProviderBusy
from common.provider import AlphaVantageClient
from common.values import Symbol
from tests.support.replies import quote_document
from tests.support.wire import Behaviour, Connection, answering, response, wire

IBM = Symbol("IBM")
KEY = "Mark3d/K3y+With%Odd=Chars"
ECHO = f"We have detected your API key as {KEY} and our standard API rate limit is 25 requests per day."
QUOTE = json.dumps(quote_document()).encode()


def json_reply(document: object, status: int = 200) -> bytes:
    return response(json.dumps(document).encode(), status)


def resets(connection: Connection) -> None:
    connection.read_request()
    connection.reset()


def stalls(connection: Connection) -> None:
    connection.read_request()
    connection.wait_for_hang_up()


def echoes_request(connection: Connection) -> None:
    """Repeat the whole request, key and all, in the headers, defective ones, and in a page."""
    request = connection.read_request()
    target = request.split(b" ")[1]
    head = b"HTTP/1.1 200 OK\r\nX-Echo: " + target + b"\r\nbroken " + target + b"\r\nConnection: close\r\n\r\n"
    connection.send(head + b"<pre>" + request + b"</pre>")


def cuts_after_echo(connection: Connection) -> None:
    target = connection.read_request().split(b" ")[1]
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + target)


def bad_chunk_with_echo(connection: Connection) -> None:
    target = connection.read_request().split(b" ")[1]
    connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + target + b"\r\n")


def bad_status_with_echo(connection: Connection) -> None:
    target = connection.read_request().split(b" ")[1]
    connection.send(target + b"\r\n\r\n")


def json_escaped(text: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in text)


FAULTS: dict[str, Behaviour] = {
    "reset": resets,
    "stall": stalls,
    "echo": echoes_request,
    "cut": cuts_after_echo,
    "bad-chunk": bad_chunk_with_echo,
    "bad-status": bad_status_with_echo,
    "day": answering(json_reply({"Information": ECHO})),
    "unknown-notice": answering(json_reply({"Information": f"Dear {KEY}, apikey={quote(KEY, safe='')} is closed."})),
    "upper": answering(json_reply({"Note": f"your key {KEY.upper()}, or {quote_plus(KEY).lower()}"})),
    "duplicate": answering(response(f'{{"{KEY}": 1, "{KEY}": 2}}'.encode())),
    "not-json": answering(response(f"<h1>{KEY}</h1>".encode())),
    "not-utf8": answering(response(f"\u00e9 {KEY}".encode("latin-1"))),
    "redirect": answering(response(b"", 301, f"Location: https://{quote(KEY, safe='')}.example/?apikey={quote(KEY)}")),
    "http500": answering(response(KEY.encode(), 500)),
    "http404": answering(response(KEY.encode(), 404)),
    "http401": answering(response(KEY.encode(), 401)),
    "bad-gzip": answering(response(KEY.encode(), 200, "Content-Encoding: gzip")),
    "data-with-notice": answering(json_reply(quote_document() | {"Information": f"hello {KEY}"})),
    "escaped-notice": answering(response(f'{{"Information": "your key {json_escaped(KEY)}"}}'.encode())),
    "escaped-slash": answering(response(json.dumps({"Note": f"your {KEY}"}).replace("/", "\\/").encode())),
    "escaped-data": answering(response(f'{{"Global Quote": {{"{json_escaped(KEY)}": "1"}}}}'.encode())),
    "escaped-and-cut": answering(response(f'{{"Note": "{json_escaped(KEY)}'.encode())),
    "percent": answering(json_reply({"Note": "".join(f"%{ord(char):02X}" for char in KEY)})),
    "entities": answering(response(("<p>" + "".join(f"&#x{ord(char):x};" for char in KEY)).encode())),
    "utf-16": answering(response(f"<p>{KEY}".encode("utf-16"))),
    "data-with-key": answering(json_reply(quote_document(symbol=KEY))),
}
SPELLINGS = {KEY, quote(KEY, safe=""), quote(KEY), quote_plus(KEY)}
SPELLINGS |= {json_escaped(KEY), "".join(f"%{ord(char):02x}" for char in KEY), "\\x00".join(KEY)}
SPELLINGS |= {"".join(f"&#x{ord(char):x};" for char in KEY), KEY.replace("/", "\\/")}
MARKS = re.compile("|".join(map(re.escape, SPELLINGS)), re.IGNORECASE)


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every logger at DEBUG, urllib3's too."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="urllib3")
    return caplog


def everything_about(error: BaseException) -> str:
    """All that a careless program might print: texts, attributes, tracebacks with every frame's variables."""
    chain = [error, error.__cause__, error.__context__]
    frames = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    return "\n".join(f"{e} {e!r} {vars(e)}" for e in chain if e) + frames


def fail(client: AlphaVantageClient) -> str:
    """Call, and return all that can be seen of what came of it."""
    try:
        return repr(client.fetch(quote_request(IBM)))
    except PipelineError as error:
        logging.getLogger("careless").exception("it failed")
        return everything_about(error)


@pytest.mark.parametrize("behave", FAULTS.values(), ids=FAULTS.keys())
def test_no_fault_lets_the_key_out(behave: Behaviour, everything_logged: pytest.LogCaptureFixture, capfd):
    """Not in a text, repr, attribute, frame, log or on the terminal, plain or encoded, in any case."""
    with (
        wire(behave) as server,
        AlphaVantageClient(server.url, SecretStr(KEY), timeout_s=1, attempts=2, sleep=lambda _: None) as client,
    ):
        seen = fail(client) + repr(client) + str(vars(client))
    assert any(quote(KEY, safe="").encode() in request for request in server.requests), "the key was sent"
    records = "".join(f"{record.__dict__}" for record in everything_logged.records)
    printed = capfd.readouterr()
    assert not MARKS.search(seen + records + everything_logged.text + printed.out + printed.err)


def test_urllib3_does_log_the_url(everything_logged: pytest.LogCaptureFixture):
    """The log that this suite searches holds urllib3's line, redacted, so the search searches something."""
    with wire(answering(response(QUOTE))) as server, AlphaVantageClient(server.url, SecretStr(KEY)) as client:
        client.fetch(quote_request(IBM))
    assert "/query?function=GLOBAL_QUOTE&symbol=IBM&apikey=*** " in everything_logged.text


def test_faults_before_anything_is_sent(everything_logged: pytest.LogCaptureFixture):
    """A refused connection shows no key either."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with AlphaVantageClient(f"http://127.0.0.1:{port}", SecretStr(KEY), attempts=1) as client:
        assert not MARKS.search(fail(client) + everything_logged.text)


def test_switch_of_http_client_prints_nothing(capfd, monkeypatch: pytest.MonkeyPatch):
    """http.client's own debug switch, which prints whole requests, has no power over our connections."""
    import http.client

    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    with wire(answering(response(QUOTE))) as server, AlphaVantageClient(server.url, SecretStr(KEY)) as client:
        client.fetch(quote_request(IBM))
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("attack", ["\r\nERROR forged", "\x1b[2J", "\u2028line", "\u202eevil", "\x00", "\ud800"])
def test_notice_cannot_forge_log_line(attack: str):
    """Control characters of the provider's arrive escaped, on one line, and as text that can be encoded."""
    with (
        wire(answering(json_reply({"Information": f"news{attack} end"}))) as server,
        AlphaVantageClient(server.url, SecretStr(KEY)) as client,
        pytest.raises(ProviderBusy) as caught,
    ):
        client.fetch(quote_request(IBM))
    assert str(caught.value).isprintable()
    assert "news\\" in str(caught.value)
    caught.value.payload.encode()
    assert "\0" not in caught.value.payload
