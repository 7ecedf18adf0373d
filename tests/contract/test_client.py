"""One suite over every kind of reply, against what was recorded and against the sandbox."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from common.datasets.quotes import quote_from_reply
from common.datasets.quotes import request as quote_request
from common.errors import PayloadRejected, PipelineError
from common.provider import AlphaVantageClient
from common.values import Symbol
from sandbox.faults import FAULTS
from sandbox.running import running
from tests.contract.cases import (
    DATA,
    FAULTS_OF_CSV,
    KEY,
    REFUSALS,
    SANDBOX_FAULTS,
    Data,
    Refusal,
    listing,
    rows_of_listing,
    rows_of_quote,
)
from tests.support.replies import QUOTE, reply_of
from tests.support.wire import answering, response, wire

RECORDINGS = Path(__file__).parent / "recordings"
QUOTES = [line for line in RECORDINGS.with_name("quotes.txt").read_text("utf-8").splitlines() if line[0] != "#"]


def client_of(url: str, key: str, timeout_s: float = 20) -> AlphaVantageClient:
    return AlphaVantageClient(url, SecretStr(key), timeout_s=timeout_s, attempts=1)


Case = Data | Refusal
#: Gives a case's reply: a client that gets it, and the symbol to ask for.
Provider = Callable[[Case], AbstractContextManager[tuple[AlphaVantageClient, Symbol]]]


@contextmanager
def recorded(case: Case) -> Iterator[tuple[AlphaVantageClient, Symbol]]:
    """Serve the case's recording over a real socket."""
    (path,) = RECORDINGS.glob(f"{case.name}.*")
    status = case.status if isinstance(case, Refusal) else 200
    key = "demo" if case.name == "demo_key" else KEY
    with wire(answering(response(path.read_bytes(), status))) as server, client_of(server.url, key) as client:
        yield client, Symbol(case.symbol)


@pytest.fixture(scope="module")
def sandbox_urls() -> Iterator[dict[bool, str]]:
    """Two sandboxes without a quota: on a premium plan (True) and on a free one."""
    common = ("--quota", "unlimited", "--stall", "60")
    with running("--plan", "premium1200", *common) as premium, running("--plan", "free", *common) as free:
        yield {True: premium.url, False: free.url}


@pytest.fixture
def providers(sandbox_urls: dict[bool, str]) -> dict[str, Provider]:
    """Both kinds of providers by name."""

    @contextmanager
    def in_sandbox(case: Case) -> Iterator[tuple[AlphaVantageClient, Symbol]]:
        assert case.sandbox
        with client_of(sandbox_urls[case.sandbox.premium], case.sandbox.key) as client:
            yield client, Symbol(case.sandbox.symbol)

    return {"recorded": recorded, "sandbox": in_sandbox}


def at_each_provider(cases: Sequence[Case]) -> pytest.MarkDecorator:
    """Run a test for each case at each provider that has a reply for it."""
    pairs = [(case, name) for case in cases for name in ("recorded", "sandbox") if name == "recorded" or case.sandbox]
    ids = [f"{name}-{case.name}-{case.fetch.__name__}" for case, name in pairs]
    return pytest.mark.parametrize(("case", "provider"), pairs, ids=ids)


@at_each_provider(REFUSALS)
def test_a_refusal(case: Refusal, provider: str, providers: dict[str, Provider]):
    """Each refusal is the error that says what to do, names the symbol, and does not repeat the key."""
    with providers[provider](case) as (client, symbol), pytest.raises(PipelineError) as caught:
        case.fetch(client, symbol)
    error = caught.value
    assert type(error) is case.error
    assert str(error).startswith(f"{symbol}: ")
    assert {name: getattr(error, name) for name in case.facts} == case.facts
    assert KEY not in f"{error} {vars(error)}"


@at_each_provider(DATA)
def test_data(case: Data, provider: str, providers: dict[str, Provider]):
    """Data become rows of the symbol that was asked for, and none is refused."""
    with providers[provider](case) as (client, symbol):
        rows = case.rows(symbol, case.fetch(client, symbol))
    assert rows
    assert {row.symbol for row in rows} == {symbol}


@pytest.mark.parametrize("line", QUOTES, ids=lambda line: "-".join(line.split()[:7:6]))
def test_a_recorded_quote(line: str):
    """Every quote that was recorded is accepted, with its numbers as they stood there."""
    values = line.split()
    quote = quote_from_reply(Symbol(values[0]), reply_of({"Global Quote": dict(zip(QUOTE, values, strict=True))}))
    numbers = (quote.price, quote.volume, quote.previous_close, quote.change_amount)
    assert numbers == tuple(Decimal(values[place]) for place in (4, 5, 7, 8))


def test_every_recording_is_judged():
    """No recording lies about unused."""
    assert {path.stem for path in RECORDINGS.iterdir()} == {case.name for case in [*REFUSALS, *DATA]}


def test_every_fault_of_sandbox_is_judged():
    """The sandbox has no fault that the table of expectations does not name."""
    assert set(FAULTS) == set(SANDBOX_FAULTS)


@pytest.mark.parametrize("fault", SANDBOX_FAULTS)
def test_a_fault_of_the_sandbox(fault: str, sandbox_urls: dict[bool, str]):
    """A quote under each fault is sound, or refused with the right error or code."""
    expected = SANDBOX_FAULTS[fault]
    symbol = Symbol(f"FAULT-{fault}")
    timeout_s = 0.5 if fault.startswith(("stall", "drip")) else 20
    with client_of(sandbox_urls[True], KEY, timeout_s) as client:
        if expected == "":
            assert rows_of_quote(symbol, client.fetch(quote_request(symbol)))
            return
        with pytest.raises(PipelineError) as caught:
            rows_of_quote(symbol, client.fetch(quote_request(symbol)))
    assert seen(caught.value) == expected


@pytest.mark.parametrize("fault", FAULTS_OF_CSV)
def test_a_fault_of_a_table(fault: str, sandbox_urls: dict[bool, str]):
    """A table under each fault is whole, or refused with the right error or code."""
    expected = FAULTS_OF_CSV[fault]
    symbol = Symbol(f"FAULT-{fault}")
    with client_of(sandbox_urls[True], KEY, 0.5 if fault.startswith("stall") else 20) as client:
        if expected == "":
            assert rows_of_listing(Symbol("IBM"), listing(client, symbol))
            return
        with pytest.raises(PipelineError) as caught:
            rows_of_listing(symbol, listing(client, symbol))
    assert seen(caught.value) == expected


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_csv"),
        (b"Please try another time, we are sorry.\n", "not_csv"),
        (b"symbol,name", "not_csv"),
        (b"symbol\nA\n", "not_csv"),
        (b"symbol,name\nA,\xff\n", "not_utf8"),
        (b'{"data": [1]}', "not_csv"),
        (b"[]", "not_an_object"),
    ],
)
def test_what_is_no_table(body: bytes, code: str):
    """Where CSV was asked for, text that is none is refused with a code of its own, and kept for a person to see."""
    with (
        wire(answering(response(body))) as server,
        client_of(server.url, KEY) as client,
        pytest.raises(PayloadRejected) as caught,
    ):
        listing(client, Symbol("IBM"))
    assert caught.value.code == code


def test_a_table_repeats_no_key():
    """The key is redacted in a table too, and the rest of it is as it came."""
    with wire(answering(response(f"a,b\r\n{KEY},1\r\n".encode()))) as server, client_of(server.url, KEY) as client:
        assert listing(client, Symbol("IBM")).text == "a,b\r\n***,1\r\n"


def seen(error: PipelineError) -> object:
    return error.code if isinstance(error, PayloadRejected) else type(error)
