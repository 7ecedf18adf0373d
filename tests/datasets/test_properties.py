"""Ten thousand replies, sound, spoiled and random: each is a quote that an independent judge accepts, or a typed error.

The replies pass through the client's reading and classification and through validation; sockets have tests of their
own.
"""

import json
import re
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from common.database.rows import storable
from common.datasets.bulk_quotes import quotes_from_bulk_reply
from common.datasets.bulk_quotes import request as bulk_request
from common.datasets.daily_bars import bars_from_reply
from common.datasets.daily_bars import request as bars_request
from common.datasets.quotes import quote_from_reply
from common.datasets.quotes import request as quote_request
from common.errors import PayloadRejected, PipelineError, SymbolFailed
from common.provider import AlphaVantageClient
from common.provider.http_transport import HttpResponse, Permission, Transport
from common.values import DailyBar, Quote, Symbol
from tests.support.replies import (
    ADJUSTED_BAR,
    BAR,
    BULK_ROW,
    QUOTE,
    bulk_document,
    quote_document,
    series_document,
)

IBM = Symbol("IBM")
MSTR = Symbol("MSTR")
KEY = "PropertyKey012345"
#: The cheap ones more often: 10,000 in all.
many = settings(
    max_examples=2500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
some = settings(many, max_examples=1000)
few = settings(many, max_examples=250)


class Canned(Transport):
    """Answers every call with the bytes it holds."""

    body = b""

    def get(
        self, subject: str, params: dict[str, str], max_bytes: int, permission: Permission | None = None
    ) -> HttpResponse:
        return HttpResponse(200, {}, self.body)


TRANSPORT = Canned("http://127.0.0.1:9", SecretStr(KEY), timeout_s=1, pool_size=1)
CLIENT = AlphaVantageClient("http://127.0.0.1:9", SecretStr(KEY), attempts=1)
CLIENT._transport = TRANSPORT


def fetch_quote(body: bytes) -> Quote:
    TRANSPORT.body = body
    return quote_from_reply(IBM, CLIENT.fetch(quote_request(IBM)))


def check_price(price: Decimal) -> None:
    assert isinstance(price, Decimal)
    assert price.is_finite()
    assert 0 <= price < Decimal(10) ** 14
    assert price == price.quantize(Decimal("0.000001"))


def check_quote(quote: Quote, symbol: Symbol) -> None:
    """Judge a quote without any of validation's code."""
    for price in (quote.open_price, quote.high_price, quote.low_price, quote.price, quote.previous_close):
        check_price(price)
    assert quote.symbol == symbol
    assert quote.price > 0
    assert quote.low_price <= quote.high_price
    assert 0 <= quote.volume < 2**63
    if quote.volume:
        assert float(quote.low_price) * 0.999 - 0.001 <= float(quote.price) <= float(quote.high_price) * 1.001 + 0.001
    assert date(1900, 1, 1) <= quote.latest_trading_day <= quote.data_timestamp.date() + timedelta(days=1)
    assert abs(quote.price - quote.previous_close - quote.change_amount) <= Decimal("0.02")


def check_bar(bar: DailyBar, symbol: Symbol) -> None:
    for price in (bar.open_price, bar.high_price, bar.low_price, bar.close_price):
        check_price(price)
    assert bar.symbol == symbol
    assert bar.low_price <= bar.high_price
    assert bar.close_price > 0
    assert 0 <= bar.volume < 2**63
    assert bar.session >= date(1900, 1, 1)


def judge(body: bytes) -> None:
    """A quote that holds, or a typed error that can be printed and stored; any other exception fails the test."""
    try:
        quote = fetch_quote(body)
    except PipelineError as error:
        check_error(error)
    else:
        check_quote(quote, IBM)


def check_error(error: PipelineError) -> None:
    message = str(error)
    assert message.isprintable()
    assert message.startswith("IBM: ")
    assert KEY not in message
    if isinstance(error, PayloadRejected):
        assert re.fullmatch("[a-z_0-9]+", error.code)
        assert KEY not in error.payload
        kept = storable(error.payload, None)
        assert "\0" not in kept
        kept.encode()


NAUGHTY = st.sampled_from([
    "", " ", "0", "-0", "0.0", "-1", "1e5", "1e999", "NaN", "Infinity", "-Infinity", "None", "-", "N/A", "1,5", "%",
    "9" * 20, "0." + "0" * 30 + "1", "2026-02-30", "2026-10-05", "9999-12-31", "0001-01-01", "\0", "\ud800", "\u0661",
    "99999999999999.999999", "100000000000000", "9223372036854775807", "9223372036854775808", KEY, "success",
])  # fmt: skip
SCALARS = st.one_of(
    NAUGHTY,
    st.text(),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals().map(str),
    st.dates().map(str),
)
NAMES = st.one_of(
    st.sampled_from([*QUOTE, "Global Quote", "Information", "Note", "Error Message", "message", "data", "Meta Data"]),
    st.text(),
)
DOCUMENTS = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=12
)
SOUND = json.dumps(quote_document()).encode()


def dumped(document: object) -> bytes:
    return json.dumps(document).encode()


@many
@given(st.binary(max_size=300))
def test_any_bytes(body: bytes):
    """No bytes at all make anything but a typed error."""
    judge(body)


@some
@given(DOCUMENTS)
def test_any_json(document: object):
    """Any JSON, with the provider's own names in it, is judged."""
    judge(dumped(document))


@many
@given(st.sampled_from(list(QUOTE)), SCALARS, st.integers(0, 3 * len(QUOTE)), NAUGHTY)
def test_a_quote_with_spoiled_fields(name: str, value: object, second: int, naughty: str):
    """A sound quote with a field replaced by anything, and perhaps a second one by something naughty or taken away."""
    fields: dict[str, object] = QUOTE | {name: value}
    others = dict(enumerate(QUOTE))
    if second < 2 * len(QUOTE):
        other = others[second % len(QUOTE)]
        fields = fields | {other: naughty} if second < len(QUOTE) else {n: v for n, v in fields.items() if n != other}
    judge(dumped({"Global Quote": fields}))


@many
@given(st.integers(0, len(SOUND)), st.integers(0, 5), st.binary(max_size=5))
def test_a_quote_with_spoiled_bytes(start: int, length: int, replacement: bytes):
    """A sound quote with some bytes cut out, replaced or put in."""
    judge(SOUND[:start] + replacement + SOUND[start + length :])


@st.composite
def sound_quotes(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Decimal]]:
    """A quote as the provider makes it: four decimals, each value rounded on its own."""
    cents = st.integers(1, 10**9).map(lambda units: Decimal(units) / 10_000)
    low, price, opened, high = sorted(draw(st.tuples(cents, cents, cents, cents)))
    before = draw(cents)
    values = {"open": opened, "high": high, "low": low, "price": price, "previous_close": before}
    change = price - before
    texts: dict[str, Any] = {name: f"{value:.4f}" for name, value in values.items()}
    texts |= {"change": f"{change:.4f}", "change_percent": f"{change / before * 100:.4f}%"}
    texts["volume"] = str(draw(st.integers(0, 2**63 - 1)))
    texts["latest_trading_day"] = str(draw(st.dates(date(1900, 1, 1), date(2026, 10, 6))))
    return texts, values


@some
@given(sound_quotes())
def test_a_sound_quote_is_taken(quote: tuple[dict[str, Any], dict[str, Decimal]]):
    """Whatever the provider can say of a session is accepted, and not a digit is lost."""
    texts, values = quote
    taken = fetch_quote(dumped(quote_document(**texts)))
    check_quote(taken, IBM)
    assert taken.open_price == values["open"]
    assert taken.price == values["price"]
    assert taken.previous_close == values["previous_close"]
    assert str(taken.volume) == texts["volume"]


@few
@given(
    st.dictionaries(
        st.one_of(st.dates().map(str), st.text()), st.one_of(st.just(BAR), st.just(ADJUSTED_BAR), DOCUMENTS), max_size=4
    )
)
def test_any_series(series: dict[str, object]):
    """Of any rows the sound ones become bars, and every other has its rejection."""
    TRANSPORT.body = dumped(series_document(series))
    with suppress(PayloadRejected, SymbolFailed):
        bars, rejections = bars_from_reply(IBM, CLIENT.fetch(bars_request(IBM)))
        assert len(bars) + len(rejections) == len(series)
        for bar in bars:
            check_bar(bar, IBM)
        assert all(rejection.message.isprintable() for rejection in rejections)


@few
@given(
    st.lists(
        st.one_of(st.just(BULK_ROW), SCALARS.map(lambda value: BULK_ROW | {"close": value}), DOCUMENTS), max_size=3
    )
)
def test_any_bulk_reply(rows: list[object]):
    """Of any rows each symbol that was asked for has its quote or its rejection."""
    TRANSPORT.body = dumped(bulk_document(*rows))
    with suppress(PayloadRejected):
        quotes, rejections = quotes_from_bulk_reply([MSTR, IBM], CLIENT.fetch(bulk_request([MSTR, IBM])))
        assert {quote.symbol for quote in quotes} | set(rejections) == {MSTR, IBM}
        for quote in quotes:
            check_quote(quote, quote.symbol)


@pytest.mark.parametrize("indent", [None, 4])
def test_a_quote_cut_at_every_byte(indent: int | None):
    """No beginning of a reply is taken for the whole."""
    body = json.dumps(quote_document(), indent=indent).encode()
    for cut in range(len(body)):
        with pytest.raises(PayloadRejected):
            fetch_quote(body[:cut])
    check_quote(fetch_quote(body), IBM)


def test_replies_cut_at_every_byte():
    """The same for a series and for bulk quotes."""
    series = dumped(series_document({"2026-10-05": BAR, "2026-10-02": BAR}))
    bulk = dumped(bulk_document(BULK_ROW))
    for cut in range(len(series)):
        TRANSPORT.body = series[:cut]
        with pytest.raises(PayloadRejected):
            bars_from_reply(IBM, CLIENT.fetch(bars_request(IBM)))
    for cut in range(len(bulk)):
        TRANSPORT.body = bulk[:cut]
        with pytest.raises(PayloadRejected):
            quotes_from_bulk_reply([MSTR], CLIENT.fetch(bulk_request([MSTR])))
