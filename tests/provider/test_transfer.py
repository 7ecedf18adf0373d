"""What goes over the wire and what comes back: requests, faults of the transfer, sizes, bodies."""

import gzip
import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from common.datasets.bulk_quotes import request as bulk_request
from common.datasets.daily_bars import request as bars_request
from common.datasets.quotes import request as quote_request
from common.errors import (
    ApiKeyRejected,
    DailyQuotaUsedUp,
    NetworkFailed,
    PayloadRejected,
    PipelineError,
    PremiumRequired,
    ProviderBusy,
    ProviderUnavailable,
    RateLimited,
)
from common.provider import MAX_BYTES, MAX_BYTES_FULL, AlphaVantageClient
from common.values import Symbol
from tests.support.replies import BULK_ROW, quote_document
from tests.support.served import GOOD, IBM, KEY, PAGE, QUOTE, closes, refused, resets, says, serving
from tests.support.wire import Behaviour, Connection, answering, response, wire


def query_of(request: bytes) -> dict[str, list[str]]:
    target = request.split(b" ")[1].decode()
    assert urlsplit(target).path == "/query"
    return parse_qs(urlsplit(target).query, strict_parsing=True)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda client: client.fetch(quote_request(IBM)), {"function": "GLOBAL_QUOTE", "symbol": "IBM"}),
        (
            lambda client: client.fetch(bars_request(Symbol("^GSPC"))),
            {"function": "TIME_SERIES_DAILY", "symbol": "^GSPC", "outputsize": "compact"},
        ),
        (
            lambda client: client.fetch(bars_request(IBM, full=True, adjusted=True)),
            {"function": "TIME_SERIES_DAILY_ADJUSTED", "symbol": "IBM", "outputsize": "full"},
        ),
        (
            lambda client: client.fetch(bulk_request([IBM, Symbol("BRK-B")])),
            {"function": "REALTIME_BULK_QUOTES", "symbol": "IBM,BRK-B"},
        ),
    ],
    ids=["quote", "series", "adjusted", "bulk"],
)
def test_what_is_asked(ask: Callable[[AlphaVantageClient], object], expected: dict[str, str]):
    """Each call asks /query for its function, with the key whole in the query and a name for ourselves."""
    with serving(answering(GOOD)) as (server, client):
        ask(client)
    assert query_of(server.requests[0]) == {name: [value] for name, value in (expected | {"apikey": KEY}).items()}
    assert b"User-Agent: stock-data-pipeline\r\n" in server.requests[0]


@pytest.mark.parametrize("count", [0, 101])
def test_bulk_call_takes_a_hundred_symbols(count: int):
    """More symbols than the provider takes, or none, are a mistake of the caller's."""
    with serving(answering(GOOD)) as (server, client), pytest.raises(ValueError, match="1 to 100"):
        client.fetch(bulk_request([IBM] * count))
    assert server.requests == []


def test_a_reply():
    """A reply carries the document, its text, an aware arrival time and how long it took."""
    with serving(answering(GOOD)) as (_, client):
        reply = client.fetch(quote_request(IBM))
    assert reply.document == quote_document()
    assert reply.text == QUOTE.decode()
    assert reply.received_at.tzinfo is not None
    assert reply.latency_s > 0


def test_numbers_are_decimals():
    """A JSON number never becomes a binary fraction."""
    with serving(answering(response(b'{"Global Quote": {"price": 0.1, "volume": 7}}'))) as (_, client):
        assert client.fetch(quote_request(IBM)).document == {
            "Global Quote": {"price": Decimal("0.1"), "volume": Decimal(7)}
        }


def test_one_connection_serves_many_calls():
    """The session is reused."""
    with serving(answering(GOOD)) as (server, client):
        for _ in range(5):
            client.fetch(quote_request(IBM))
    assert server.connections == 1


def test_many_threads_share_one_client():
    """Sixteen threads get sixteen times ten replies, each its own symbol's."""

    def echo(connection: Connection) -> None:
        while True:
            symbol = query_of(connection.read_request())["symbol"][0]
            connection.send(response(json.dumps(quote_document(symbol=symbol)).encode()))

    def symbol_of(symbol: Symbol) -> bool:
        return client.fetch(quote_request(symbol)).document == quote_document(symbol=symbol)

    with serving(echo) as (server, client), ThreadPoolExecutor(16) as pool:
        assert all(pool.map(symbol_of, [Symbol(f"S{number}") for number in range(160)]))
    assert len(server.requests) == 160


def test_no_cookie_comes_back():
    """A cookie of the provider's is not kept."""
    with serving(answering(response(QUOTE, 200, "Set-Cookie: session=1; Path=/"))) as (server, client):
        client.fetch(quote_request(IBM))
        client.fetch(quote_request(IBM))
    assert not any(b"Cookie" in request for request in server.requests)


def test_neither_proxy_nor_netrc_on_loopback(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """On http the key is never sent through a proxy, and a password of .netrc is never sent at all."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hidden\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with wire(answering(GOOD)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        with serving(answering(GOOD)) as (server, client):
            client.fetch(quote_request(IBM))
            client.reachable()
    assert (proxy.connections, len(server.requests)) == (0, 1)
    assert b"Authorization" not in server.requests[0]


def test_a_proxy_on_https(monkeypatch: pytest.MonkeyPatch):
    """On https the platform's proxy is used, sees the host alone, and a proxy that refuses is a network fault."""
    with wire(answering(response(b"", 403))) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with AlphaVantageClient("https://api.invalid", SecretStr(KEY), timeout_s=20, attempts=1) as client:
            for ask in (client.reachable, lambda: client.fetch(quote_request(IBM))):
                with pytest.raises(NetworkFailed, match="403"):
                    ask()
    assert [request.split(b"\r\n")[0][:27] for request in proxy.requests] == [b"CONNECT api.invalid:443 HTT"] * 2
    assert not any(b"apikey" in request for request in proxy.requests)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "behave",
    [
        closes,
        resets,
        says(b"HTTP/1.1 200 OK\r\n", reset=True),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + QUOTE),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + QUOTE, reset=True),
        says(CHUNKED + b"10\r\n{"),
        says(CHUNKED + b"zz\r\n{"),
        says(CHUNKED + b"1\r\n{\r\n"),
        says(b"\x00\x01\x02 garbage\r\n\r\n"),
        says(b"220 mail.example ESMTP\r\n"),
        says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
        says(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"),
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345"),
    ],
    ids=[
        "closes",
        "resets",
        "reset-headers",
        "short-body",
        "reset-body",
        "cut-chunk",
        "bad-chunk",
        "cut-between-chunks",
        "garbage",
        "smtp",
        "200-headers",
        "100-kB-header",
        "two-lengths",
    ],
)
def test_broken_transfer_is_network_fault(behave: Behaviour):
    """What breaks on the way is a NetworkFailed that names symbol and host, and that counts as sent."""
    error = refused(behave)
    assert type(error) is NetworkFailed
    assert str(error).startswith("IBM: no reply from 127.0.0.1:")
    assert error.request_sent
    assert error.__cause__ is None
    assert error.__context__ is None


def test_headers_that_are_cut():
    """A connection that ends within the headers leaves an empty body, which is no data."""
    error = refused(says(b"HTTP/1.1 200 OK\r\nContent-Le"))
    assert isinstance(error, PayloadRejected)
    assert (error.code, error.payload) == ("not_json", "")


def test_wrong_length_that_cuts_body():
    """A Content-Length that is too small leaves half a document, which is refused and kept."""
    error = refused(says(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" + QUOTE))
    assert isinstance(error, PayloadRejected)
    assert (error.code, error.payload) == ("not_json", QUOTE[:40].decode())


@pytest.mark.parametrize("cut", [0, 1, 20, len(QUOTE) // 2, len(QUOTE) - 1])
def test_a_body_cut_without_a_length(cut: int):
    """A body that ends early with its connection is not taken as whole."""
    error = refused(answering(response(QUOTE[:cut], length=False)))
    assert isinstance(error, PayloadRejected)
    assert (error.code, error.payload) == ("not_json", QUOTE[:cut].decode())


def test_a_gzipped_reply():
    """A compressed reply is unpacked; one that ends early is not taken as whole."""
    packed = gzip.compress(QUOTE)
    with serving(answering(response(packed, 200, "Content-Encoding: gzip"))) as (_, client):
        assert client.fetch(quote_request(IBM)).text == QUOTE.decode()
    error = refused(answering(response(packed[:60], 200, "Content-Encoding: gzip")))
    assert getattr(error, "code", "") in {"not_json", "not_decodable"}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "unheard-of"])
def test_body_contradicts_its_encoding(encoding: str):
    """Plain bytes under an encoding are refused if it cannot be undone; an unknown encoding is not even tried."""
    body = b"\x8b\x00 not packed"
    error = refused(answering(response(body, 200, f"Content-Encoding: {encoding}")))
    assert isinstance(error, PayloadRejected)
    assert error.code in {"not_decodable", "not_utf8", "not_json"}


def bomb(megabytes: int) -> bytes:
    """Gzip of that many megabytes of blanks before a sound quote: a thousandth of it in size."""
    packer = zlib.compressobj(wbits=31)
    blanks = b" " * 1_000_000
    return b"".join(packer.compress(blanks) for _ in range(megabytes)) + packer.compress(QUOTE) + packer.flush()


@pytest.mark.parametrize(
    "reply",
    [
        response(b" " * (MAX_BYTES + 1 - len(QUOTE)) + QUOTE),
        response(b" " * MAX_BYTES + QUOTE, length=False),
        response(bomb(200), 200, "Content-Encoding: gzip"),
    ],
    ids=["measured", "unmeasured", "bomb"],
)
def test_a_reply_that_is_too_large(reply: bytes):
    """A reply over the bound is refused and cut as soon as the bound is passed, packed or not, and says so."""
    error = refused(answering(reply))
    assert isinstance(error, PayloadRejected)
    assert error.code == "too_large"
    assert len(error.payload) == MAX_BYTES
    assert "cut after 2,000,000 bytes" in str(error)


def test_a_refused_reply_is_whole():
    """What is refused can be replayed: it arrives as long as a reply may be."""
    body = b"[" + b" " * (MAX_BYTES - 2) + b"]"
    error = refused(answering(response(body)))
    assert isinstance(error, PayloadRejected)
    assert (len(error.payload), error.payload.strip("[] ")) == (MAX_BYTES, "")


def test_the_bound_itself_fits():
    """A reply of exactly the bound is read; a full series may be larger, up to its own bound."""
    with serving(answering(response(b" " * (MAX_BYTES - len(QUOTE)) + QUOTE))) as (_, client):
        assert client.fetch(quote_request(IBM)).document == quote_document()
    with serving(answering(response(b" " * (MAX_BYTES_FULL - len(QUOTE)) + QUOTE))) as (_, client):
        assert client.fetch(bars_request(IBM, full=True)).document == quote_document()
        with pytest.raises(PayloadRejected):
            client.fetch(bars_request(IBM))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_json"),
        (b"   ", "not_json"),
        (b"Thank you!", "not_json"),
        (QUOTE + b"}", "not_json"),
        (QUOTE * 2, "not_json"),
        (b"{'Global Quote': {}}", "not_json"),
        (b'{"a": "b\x00"}', "not_json"),
        (b"symbol,open,high\r\nIBM,1,2\r\n", "not_json"),
        (b"\xff\xfe{}", "not_utf8"),
        (json.dumps(quote_document()).encode("utf-16"), "not_utf8"),
        (b'{"a": "\xe9"}', "not_utf8"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"17", "not_an_object"),
        (b'{"a": 1, "a": 1}', "duplicate_key"),
        (b'{"Global Quote": {"05. price": "1", "05. price": "2"}}', "duplicate_key"),
        (b'{"a": NaN}', "not_finite"),
        (b'{"a": [-Infinity]}', "not_finite"),
        (b'{"a": 1e999999999999999999999}', "not_finite"),
        (b'{"a": ' + b"9" * 100_000 + b"}", "not_finite"),
        (b'{"a": 0.' + b"9" * 100 + b"}", "not_finite"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nesting"),
        (b"[" * 100_000, "nesting"),
    ],
)
def test_a_reply_that_cannot_be_read(body: bytes, code: str):
    """Each way of not being data has its code, and the original is kept for the quarantine."""
    error = refused(answering(response(body)))
    assert isinstance(error, PayloadRejected)
    assert error.code == code
    assert str(error).startswith("IBM: the reply of 127.0.0.1:")
    assert error.payload.encode()[:20] == body.decode("utf-8", "backslashreplace").encode()[:20]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"Information": "We have news for you."}', "unexpected_notice"),
        (b'{"Note": {"text": "apikey"}}', "unexpected_notice"),
        (b'{"Error Message": null}', "unexpected_notice"),
        (b'{"error": {"code": 503}}', "unexpected_notice"),
        (b'{"errors": ["We have news for you."]}', "unexpected_notice"),
        (b'{"Global Quote": {}, "Note": "We have news for you."}', "unexpected_notice"),
        (b"<!DOCTYPE html><html><title>Maintenance</title></html>", "not_json"),
        (PAGE, "not_json"),
        (b"\xef\xbb\xbf \r\n<html>", "not_json"),
        (b"<?xml version='1.0'?><Error><Code>SlowDown</Code></Error>", "not_json"),
        (b"<html>\xe9</html>", "not_utf8"),
    ],
)
def test_a_busy_provider(body: bytes, code: str):
    """A page, or a notice that nobody knows, means "not now": it is kept, and not asked for again at once."""
    with serving(answering(response(body)), attempts=5) as (server, client), pytest.raises(ProviderBusy) as caught:
        client.fetch(quote_request(IBM))
    assert (caught.value.code, len(server.requests)) == (code, 1)
    assert caught.value.payload.encode()[:9] == body.decode("utf-8", "backslashreplace").encode()[:9]


@pytest.mark.parametrize(
    ("notice", "kind"),
    [
        ("This is a premium endpoint: subscribe to a plan of 75 to 1200 requests per minute.", PremiumRequired),
        ("You are not entitled to this. Our plans start at 75 requests per minute.", PremiumRequired),
        ("Please subscribe to any of the premium plans (75 requests per minute or more) for this.", PremiumRequired),
        ("This requires a premium membership of at least 75 requests per minute.", PremiumRequired),
        ("You have exceeded the 75 requests per minute of your premium plan.", RateLimited),
        ("Please visit us if you would like to target a higher API call frequency.", RateLimited),
        ("Please visit us if you would like to have a higher API call volume.", RateLimited),
        ("You are not currently entitled to this data.", PremiumRequired),
        ("The daily API request limit has been reached.", DailyQuotaUsedUp),
        ("API rate limit exceeded, 25 requests per day.", DailyQuotaUsedUp),
        ("You have used the 100 requests/day of a free key.", DailyQuotaUsedUp),
        ("Your API key has been suspended.", ApiKeyRejected),
    ],
)
@pytest.mark.parametrize("name", ["Information", "Note", "Error Message", "message", "information", "Error", "detail"])
def test_a_minute_and_a_premium_plan(name: str, notice: str, kind: type[PipelineError]):
    """A premium notice stays one though it mentions a rate, and a refused rate though it mentions a plan."""
    assert type(refused(answering(response(json.dumps({name: notice}).encode())))) is kind


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (b"Too Many Requests", RateLimited),
        (b"error code: 1015", ProviderUnavailable),
        (b"upstream connect error or disconnect/reset before headers", ProviderUnavailable),
        (b"\xef\xbb\xbf\nThe service is temporarily unavailable.", ProviderUnavailable),
    ],
)
def test_known_words_without_json(words: bytes, kind: type[PipelineError]):
    """What a gateway says in plain words is as good as a notice; a reply that was cut is none, whatever is in it."""
    assert type(refused(answering(response(words)))) is kind
    assert type(refused(answering(response(b'{"Note": "' + words)))) is PayloadRejected


@pytest.mark.parametrize("notice", ["Thank you! This is a premium endpoint.", "Invalid API call.", "demo API key"])
def test_data_count_for_more_than_notices(notice: str):
    """A quote is taken though a notice stands beside it that would be a refusal alone."""
    body = json.dumps(quote_document() | {"Information": notice}).encode()
    with serving(answering(response(body))) as (_, client):
        assert "Global Quote" in client.fetch(quote_request(IBM)).document


def test_empty_bulk_reply_condemns_no_symbol():
    """What means "no such symbol" of one symbol says nothing of many: validation refuses it as a reply."""
    with serving(answering(response(b"{}"))) as (_, client):
        assert client.fetch(bulk_request([IBM, Symbol("AAPL")])).document == {}


@pytest.mark.parametrize(
    ("notice", "error"),
    [
        ({"message": "This is a premium endpoint."}, PremiumRequired),
        ({"Information": "This is a premium endpoint."}, PremiumRequired),
        ({"message": "success", "Note": "Thank you! API call frequency is 5 calls per minute."}, RateLimited),
        ({"message": "We have news for you."}, PayloadRejected),
    ],
)
def test_bulk_data_beside_notice_are_samples(notice: dict[str, str], error: type[PipelineError]):
    """Rows beside a notice are no data, whatever its key; one that nobody knows refuses this way of asking."""
    body = json.dumps({"endpoint": "Realtime Bulk Quotes", "data": [BULK_ROW]} | notice).encode()
    refusal = refused(answering(response(body)), lambda client: client.fetch(bulk_request([IBM, Symbol("AAPL")])))
    assert type(refusal) is error


def test_a_byte_order_mark_is_tolerated():
    """A UTF-8 byte order mark before the document changes nothing."""
    with serving(answering(response(b"\xef\xbb\xbf" + QUOTE))) as (_, client):
        assert client.fetch(quote_request(IBM)).document == quote_document()


def test_the_content_type_does_not_matter():
    """The body decides, not what its label says."""
    with serving(answering(response(QUOTE, 200, "Content-Type: text/html; charset=utf-16"))) as (_, client):
        assert client.fetch(quote_request(IBM)).document == quote_document()


def test_unknown_notice_beside_data_is_logged(caplog: pytest.LogCaptureFixture):
    """Data are taken although the provider says something new with them, and what it says is in the log."""
    body = json.dumps(quote_document() | {"Information": "We are\nmoving."}).encode()
    with serving(answering(response(body))) as (_, client):
        assert "Global Quote" in client.fetch(quote_request(IBM)).document
    assert "IBM" in caplog.text
    assert "We are\\\\x0amoving." in caplog.text
