"""What the client makes of statuses, when it tries again, and how it holds a permit."""

from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import format_datetime

import pytest
from pydantic import SecretStr

from common.datasets.quotes import request as quote_request
from common.errors import (
    ApiKeyRejected,
    ConfigurationError,
    PayloadRejected,
    PipelineError,
    ProviderBusy,
    ProviderUnavailable,
    QuotaWait,
    RateLimited,
)
from common.provider import AlphaVantageClient
from tests.support.replies import RECEIVED_AT, quote_document
from tests.support.served import GOOD, IBM, KEY, PAGE, QUOTE, Pauses, refused, resets, serving
from tests.support.wire import Behaviour, Connection, answering, response, wire


@pytest.mark.parametrize("status", [500, 502, 503, 504, 520, 599, 302, 303, 307])
def test_a_server_error(status: int):
    """A 5xx, or a page elsewhere for the time being, is the provider's and carries its status and Retry-After."""
    error = refused(answering(response(PAGE, status, "Retry-After: 7", "Location: /maintenance")))
    assert isinstance(error, ProviderUnavailable)
    assert (error.status, error.retry_after_s) == (status, 7)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, RateLimited),
        (401, ApiKeyRejected),
        (301, ConfigurationError),
        (308, ConfigurationError),
        (400, PayloadRejected),
        (403, ProviderBusy),
        (408, ProviderBusy),
        (425, ProviderBusy),
        (404, PayloadRejected),
        (201, PayloadRejected),
        (206, PayloadRejected),
        (304, PayloadRejected),
    ],
)
def test_another_status(status: int, kind: type[PipelineError]):
    """Every other status has its error, which names it, and none is ever taken for data."""
    error = refused(answering(response(b"" if status == 304 else QUOTE, status)))
    assert type(error) is kind
    assert f"HTTP {status}" in str(error)


@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_a_page_with_a_refusal(status: int):
    """A page of whatever stands before the API speaks of no symbol: it means "not now", under each status."""
    with serving(answering(response(PAGE, status)), attempts=5) as (server, client), pytest.raises(ProviderBusy) as it:
        client.fetch(quote_request(IBM))
    assert (it.value.status, it.value.code, len(server.requests)) == (status, "http_status", 1)


def test_a_redirect_is_not_followed():
    """The key is not carried to wherever a redirect points; the message names the place, without its query."""
    with wire(answering(GOOD)) as elsewhere:
        location = f"Location: {elsewhere.url}/query?apikey=MARKED%20KEY/0123456"
        error = refused(answering(response(b"", 301, location)))
        assert elsewhere.connections == 0
    assert isinstance(error, ConfigurationError)
    assert error.variable == "ALPHA_VANTAGE_BASE_URL"
    assert f"a redirect to {elsewhere.url}." in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3),
        ("0", 0),
        ("9999999", 86_400),
        ("9" * 400, 86_400),
        *(
            (text, None)
            for text in ("soon", "-1", "", "1.5", "²", "5, 10", "Mon, 01 Jan 2020 00:00:00 +9999999999999999")
        ),
    ],
)
def test_retry_after(header: str, seconds: float | None):
    """Retry-After is read as seconds, bounded by a day; nonsense counts as absent."""
    error = refused(answering(response(b"", 429, f"Retry-After: {header}")))
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == seconds


@pytest.mark.parametrize(("year", "seconds"), [(2026 - 20, 0), (2026 + 20, 86_400)])
def test_retry_after_as_a_date(year: int, seconds: float):
    """Retry-After may be a date: a past one means now."""
    date = format_datetime(RECEIVED_AT.replace(year=year), usegmt=True)
    error = refused(answering(response(b"", 429, f"Retry-After: {date}")))
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == seconds


def drop_first(count: int) -> Behaviour:
    """Reset the first connections, then answer."""

    def behave(connection: Connection) -> None:
        if connection.number <= count:
            resets(connection)
        else:
            answering(GOOD)(connection)

    return behave


@pytest.mark.parametrize("behave", [drop_first(2), answering(response(PAGE, 503), response(PAGE, 500), GOOD)])
def test_a_passing_fault_heals(behave: Behaviour):
    """Network faults and 5xx are tried again, with a gate and a pause for each."""
    pauses, gates = Pauses(), Gates()
    with serving(behave, attempts=3, pauses=pauses) as (server, client):
        assert client.fetch(quote_request(IBM), gate=gates).document == quote_document()
    assert len(server.requests) == 3
    assert gates.log == ["acquire", "settle"] * 3
    assert len(pauses) == 2
    assert 0 <= pauses[0] <= 1
    assert 0 <= pauses[1] <= 2


def test_attempts_are_bounded():
    """After the last attempt the fault is raised as it is."""
    pauses = Pauses()
    behave = answering(response(PAGE, 503))
    with serving(behave, attempts=3, pauses=pauses) as (server, client), pytest.raises(ProviderUnavailable):
        client.fetch(quote_request(IBM))
    assert (len(server.requests), len(pauses)) == (3, 2)


@pytest.mark.parametrize(
    "reply",
    [response(b"{}"), response(b"nonsense"), response(b"", 429), response(b"", 404), response(b"", 401)],
    ids=["unknown", "not-json", "429", "404", "401"],
)
def test_incurable_error_is_not_tried_again(reply: bytes):
    """A refusal, a rate limit and a reply that is no data cost one call, whatever the attempts."""
    with serving(answering(reply), attempts=5) as (server, client), pytest.raises(PipelineError):
        client.fetch(quote_request(IBM))
    assert len(server.requests) == 1


@pytest.mark.parametrize(("asked", "waited"), [("3", 3), ("3600", 30), ("0", 0)])
def test_retry_after_is_bounded(asked: str, waited: float):
    """Between attempts the client waits as long as the provider asks, but at most 30 s."""
    pauses = Pauses()
    replies = answering(response(PAGE, 503, f"Retry-After: {asked}"), GOOD)
    with serving(replies, attempts=2, pauses=pauses) as (_, client):
        client.fetch(quote_request(IBM))
    assert pauses == [waited]


def test_pauses_are_spread():
    """Two hundred clients that fail together do not come back together."""
    pauses = Pauses()
    with serving(answering(response(PAGE, 503)), attempts=2, pauses=pauses) as (_, client):
        for _ in range(200):
            with pytest.raises(ProviderUnavailable):
                client.fetch(quote_request(IBM))
    assert len({round(pause, 2) for pause in pauses}) > 50
    assert max(pauses) <= 1


class Gates:
    """Notes when permits are acquired and settled; ``refuse`` raises in place of a permit."""

    def __init__(self, refuse: PipelineError | None = None) -> None:
        self.log: list[str] = []
        self.refuse = refuse

    @contextmanager
    def __call__(self) -> Iterator[None]:
        if self.refuse:
            raise self.refuse
        self.log.append("acquire")
        try:
            yield
        finally:
            self.log.append("settle")


def test_a_gate_that_refuses():
    """Without a permit nothing is sent, nothing is tried again, and the gate's own error comes out."""
    wait = QuotaWait("not yet", retry_at=RECEIVED_AT, retry_after_s=1, window="1/s")
    with serving(answering(GOOD), attempts=3) as (server, client), pytest.raises(QuotaWait) as caught:
        client.fetch(quote_request(IBM), gate=Gates(refuse=wait))
    assert caught.value is wait
    assert server.connections == 0


@pytest.mark.parametrize("reply", [response(b"{}"), response(b"", 429), response(b"x")])
def test_permit_is_settled_whatever_comes_back(reply: bytes):
    """The gate is left once for each attempt, on every kind of refusal too."""
    gates = Gates()
    with serving(answering(reply)) as (_, client), pytest.raises(PipelineError):
        client.fetch(quote_request(IBM), gate=gates)
    assert gates.log == ["acquire", "settle"]


def test_the_repr_shows_the_place():
    """A client's repr says where it goes, and closing it twice is no mistake."""
    client = AlphaVantageClient("https://example.invalid/", SecretStr(KEY))
    client.close()
    client.close()
    assert repr(client) == "AlphaVantageClient('https://example.invalid', timeout_s=30)"
