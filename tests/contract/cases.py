"""Every kind of reply: what was recorded, how the sandbox is made to give it, and what the client must make of it.

The one place that knows how to provoke a reply in the sandbox: by the symbol, the key and the plan.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from common.datasets import DATASETS
from common.datasets.bulk_quotes import quotes_from_bulk_reply
from common.datasets.bulk_quotes import request as bulk_request
from common.datasets.daily_bars import bars_from_reply
from common.datasets.daily_bars import request as bars_request
from common.datasets.dataset import Dataset
from common.datasets.quotes import quote_from_reply
from common.datasets.quotes import request as quote_request
from common.errors import (
    ApiKeyRejected,
    DailyQuotaUsedUp,
    DeadlineExceeded,
    NetworkFailed,
    PayloadRejected,
    PipelineError,
    PremiumRequired,
    ProviderBusy,
    ProviderUnavailable,
    RateLimited,
    UnknownFunction,
    UnknownSymbol,
)
from common.provider import AlphaVantageClient
from common.universe.listings import read_listings
from common.universe.listings import request as listing_request
from common.values import Reply, Symbol

#: The key that the recorded echo names, and the one that the sandbox is asked with and echoes.
KEY = "Z0RECORDEDKEY999"

Fetch = Callable[[AlphaVantageClient, Symbol], Reply]


def quote(client: AlphaVantageClient, symbol: Symbol) -> Reply:
    return client.fetch(quote_request(symbol))


def series(client: AlphaVantageClient, symbol: Symbol) -> Reply:
    return client.fetch(bars_request(symbol))


def full_series(client: AlphaVantageClient, symbol: Symbol) -> Reply:
    return client.fetch(bars_request(symbol, full=True))


def adjusted(client: AlphaVantageClient, symbol: Symbol) -> Reply:
    return client.fetch(bars_request(symbol, adjusted=True))


def bulk(client: AlphaVantageClient, symbol: Symbol) -> Reply:
    return client.fetch(bulk_request([symbol]))


def listing(client: AlphaVantageClient, symbol: Symbol) -> Reply:
    """Ask for CSV, and name the symbol too: the API ignores that, and the sandbox knows the fault by it."""
    return client.fetch(replace(listing_request("Active"), subject=symbol, params={"symbol": symbol}))


@dataclass(frozen=True)
class InSandbox:
    """How the sandbox gives the reply: for which symbol, with which key, on a free or a premium plan."""

    symbol: str
    key: str = KEY
    premium: bool = True


@dataclass(frozen=True)
class Refusal:
    """A reply that stands for an error; ``facts`` are attributes that the error must have."""

    name: str
    fetch: Fetch
    error: type[PipelineError]
    sandbox: InSandbox
    facts: dict[str, object] = field(default_factory=dict)
    status: int = 200
    symbol: str = "IBM"


@dataclass(frozen=True)
class Data:
    """A reply with data, and how it becomes rows. ``sandbox`` is None where the sandbox has no such reply."""

    name: str
    fetch: Fetch
    rows: Callable[[Symbol, Reply], list[Any]]
    sandbox: InSandbox | None = field(default_factory=lambda: InSandbox("IBM"))
    symbol: str = "IBM"


REFUSALS = [
    Refusal("burst", quote, RateLimited, InSandbox("FAULT-BURST"), {"retry_after_s": 1.5}),
    Refusal("burst_premium", quote, RateLimited, InSandbox("FAULT-BURST-PREMIUM"), {"retry_after_s": 1.5}),
    Refusal("burst_2025", quote, RateLimited, InSandbox("FAULT-BURST"), {"retry_after_s": 1.5}),
    Refusal("minute_premium", quote, RateLimited, InSandbox("FAULT-MINUTE-PREMIUM"), {"retry_after_s": 60}),
    Refusal("call_volume", quote, RateLimited, InSandbox("FAULT-CALL-VOLUME"), {"retry_after_s": 60}),
    Refusal("day", quote, DailyQuotaUsedUp, InSandbox("FAULT-DAY"), {"retry_after_s": None}),
    Refusal("day_variant", quote, DailyQuotaUsedUp, InSandbox("FAULT-DAY-VARIANT"), {"retry_after_s": None}),
    Refusal("minute_legacy", quote, RateLimited, InSandbox("FAULT-MINUTE"), {"retry_after_s": 60}),
    Refusal("not_entitled", quote, PremiumRequired, InSandbox("FAULT-NOT-ENTITLED")),
    Refusal("premium_endpoint", adjusted, PremiumRequired, InSandbox("IBM", premium=False)),
    Refusal("premium_outputsize", full_series, PremiumRequired, InSandbox("IBM", premium=False)),
    Refusal("bulk_premium", bulk, PremiumRequired, InSandbox("IBM", premium=False)),
    Refusal("demo_key", quote, ApiKeyRejected, InSandbox("TSLA", key="demo")),
    Refusal("bad_key", quote, ApiKeyRejected, InSandbox("IBM", key="invalid")),
    Refusal("invalid_call", series, UnknownSymbol, InSandbox("NOSUCH1")),
    Refusal("empty_quote", quote, UnknownSymbol, InSandbox("NOSUCH1")),
    Refusal("empty_object", quote, UnknownSymbol, InSandbox("NOSUCH-EMPTY")),
    Refusal("empty_object", series, UnknownSymbol, InSandbox("NOSUCH-EMPTY")),
    Refusal("unknown_function", quote, UnknownFunction, InSandbox("FAULT-FUNCTION")),
    Refusal("outage", quote, ProviderUnavailable, InSandbox("FAULT-HTTP503"), {"status": 503}, status=503),
    Refusal("cloudflare", quote, ProviderUnavailable, InSandbox("FAULT-HTTP502"), status=521),
    Refusal("gateway", quote, ProviderUnavailable, InSandbox("FAULT-GATEWAY"), {"status": 200}),
    Refusal("maintenance", quote, ProviderBusy, InSandbox("FAULT-HTML"), {"code": "not_json"}),
    # Where CSV was asked for, a refusal is JSON all the same.
    Refusal("burst", listing, RateLimited, InSandbox("FAULT-BURST"), {"retry_after_s": 1.5}),
    Refusal("day", listing, DailyQuotaUsedUp, InSandbox("FAULT-DAY"), {"retry_after_s": None}),
    Refusal("premium_endpoint", listing, PremiumRequired, InSandbox("FAULT-PREMIUM")),
    Refusal("demo_key", listing, ApiKeyRejected, InSandbox("TSLA", key="demo")),
    Refusal("bad_key", listing, ApiKeyRejected, InSandbox("IBM", key="invalid")),
    Refusal("empty_object", listing, PremiumRequired, InSandbox("FAULT-EMPTY-OBJECT")),
    Refusal("gateway", listing, ProviderUnavailable, InSandbox("FAULT-GATEWAY"), {"status": 200}),
    Refusal("outage", listing, ProviderUnavailable, InSandbox("FAULT-HTTP503"), {"status": 503}, status=503),
    Refusal("maintenance", listing, ProviderBusy, InSandbox("FAULT-HTML"), {"code": "not_json"}),
    # Data of another kind are no table.
    Refusal("quotes", listing, PayloadRejected, InSandbox("FAULT-NUMBER"), {}),
]


def rows_of_quote(symbol: Symbol, reply: Reply) -> list[Any]:
    return [quote_from_reply(symbol, reply)]


def rows_of_series(symbol: Symbol, reply: Reply) -> list[Any]:
    bars, rejections = bars_from_reply(symbol, reply)
    assert {rejection.code for rejection in rejections} <= {"unfinished"}
    return list(bars)


def rows_of_bulk(symbol: Symbol, reply: Reply) -> list[Any]:
    quotes, rejections = quotes_from_bulk_reply([symbol], reply)
    assert not rejections
    return list(quotes)


def rows_of_listing(symbol: Symbol, reply: Reply) -> list[Any]:
    assert reply.document == {}
    return [each for each in read_listings(reply.text, "Active").listings if each.symbol == symbol]


def of_dataset(dataset: Dataset) -> Data:
    """Return the case of a dataset, whose recording has its name, or that of what is asked for instead."""

    def fetch(client: AlphaVantageClient, symbol: Symbol) -> Reply:
        return client.fetch(dataset.request(symbol))

    def rows(symbol: Symbol, reply: Reply) -> list[Any]:
        parsed = dataset.parse(symbol, reply)
        assert not parsed.rejections
        return [row for of_table in parsed.rows.values() for row in of_table]

    fetch.__name__ = dataset.name
    return Data((dataset.instead or dataset).name, fetch, rows, InSandbox("SPLIT1"))


DATA = [
    *map(of_dataset, DATASETS.values()),
    Data("quote_delayed", quote, rows_of_quote, sandbox=None),
    Data("series_unfinished", series, rows_of_series, sandbox=None),
    Data("series_adjusted", adjusted, rows_of_series),
    Data("series_adjusted_noise", adjusted, rows_of_series, sandbox=None),
    Data("bulk", bulk, rows_of_bulk, InSandbox("MSTR"), symbol="MSTR"),
    Data("listing", listing, rows_of_listing),
]

#: What a quote must come to under each of the sandbox's faults: a kind of error, a rejection's code, or "" for sound.
#: A fault that is not named here fails the suite, so that the sandbox cannot grow one that nobody judges.
SANDBOX_FAULTS: dict[str, type[PipelineError] | str] = {
    "reset-before": NetworkFailed,
    "reset-headers": NetworkFailed,
    "reset-body": NetworkFailed,
    "close-before": NetworkFailed,
    "truncated": NetworkFailed,
    "truncated-chunked": NetworkFailed,
    "truncated-silent": "not_json",
    "stall": DeadlineExceeded,
    "stall-body": DeadlineExceeded,
    "drip-headers": DeadlineExceeded,
    "drip-body": DeadlineExceeded,
    "http429": RateLimited,
    "http500": ProviderUnavailable,
    "http502": ProviderUnavailable,
    "http503": ProviderUnavailable,
    "redirect": ProviderUnavailable,
    "content-type": "",
    "oversized": "too_large",
    "bomb": "too_large",
    "bad-gzip": "not_decodable",
    "garbage": "not_utf8",
    "not-json": ProviderUnavailable,  # plain words: upstream timed out
    "cut-json": "not_json",
    "empty-body": "not_json",
    "null": "not_an_object",
    "array": "not_an_object",
    "number": "not_an_object",
    "deep": "nesting",
    "utf16": "not_utf8",
    "bom": "",
    "html": ProviderBusy,
    "missing-field": "missing_field",
    "null-field": "not_text",
    "wrong-type": "not_text",
    "bool-field": "not_text",
    "empty-field": "no_value",
    "none-field": "no_value",
    "dash-field": "no_value",
    "nan": "not_a_number",
    "nan-literal": "not_finite",
    "infinity": "not_a_number",
    "huge": "not_a_number",
    "zero": "not_positive",
    "comma": "not_a_number",
    "negative": "negative",
    "high-below-low": "high_below_low",
    "outside-range": "outside_range",
    "volume-negative": "negative",
    "volume-fraction": "not_an_integer",
    "swapped-symbol": "symbol_mismatch",
    "future-date": "future_date",
    "bad-date": "not_a_date",
    "duplicate-key": "duplicate_key",
    "hole": "not_utf8",
    "burst": RateLimited,
    "burst-premium": RateLimited,
    "minute": RateLimited,
    "minute-premium": RateLimited,
    "call-volume": RateLimited,
    "day": DailyQuotaUsedUp,
    "day-variant": DailyQuotaUsedUp,
    "premium": PremiumRequired,
    "premium-outputsize": PremiumRequired,
    "not-entitled": PremiumRequired,
    "demo": ApiKeyRejected,
    "key": ApiKeyRejected,
    "function": UnknownFunction,
    "invalid-call": UnknownSymbol,
    "unknown-symbol": UnknownSymbol,
    "empty-object": UnknownSymbol,
    "gateway": ProviderUnavailable,
    "news": ProviderBusy,
}
#: What a list of companies, which is CSV, must come to under some of them.
FAULTS_OF_CSV: dict[str, type[PipelineError] | str] = {
    "truncated": NetworkFailed,
    "truncated-silent": "cut_short",
    "stall-body": DeadlineExceeded,
    "content-type": "",
    "oversized": "too_large",
    "bomb": "too_large",
    "bad-gzip": "not_decodable",
    "garbage": "not_utf8",
    "not-json": ProviderUnavailable,  # plain words: upstream timed out
    "empty-body": "not_csv",
    "null": "not_an_object",
    "deep": "nesting",
    "utf16": "not_utf8",
    "html": ProviderBusy,
    "http429": RateLimited,
    "news": ProviderBusy,
}
assert PayloadRejected not in SANDBOX_FAULTS.values(), "name the code, which says more"
