"""Which fault a call meets, and what the payload faults do to a document; the wire's faults need a socket."""

import copy
import json
import math
from collections import Counter
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.calls import Call
from sandbox.faults import ALL, FAULTS, GROUPS, FaultPicker, parse_mix
from sandbox.functions import Functions
from sandbox.latency import parse_latency
from sandbox.payload_faults import PAYLOAD_FAULTS
from sandbox.refusal_faults import REFUSALS, refusal

FUNCTIONS = Functions(1, date(2026, 10, 5))


def call(symbol: str = "IBM", function: str = "GLOBAL_QUOTE") -> Call:
    return Call.of({"function": function, "symbol": symbol, "apikey": "k"})


def picks(picker: FaultPicker, *symbols: str) -> list[str | None]:
    return [picker.pick(call(symbol), "") for symbol in symbols]


def test_a_mix_is_spread_as_written():
    """Groups are spread evenly, shares of the same fault add up, all means everything but refusals."""
    shares = dict(parse_mix("network:0.7, reset-before:0.1").shares)
    assert set(shares) == set(GROUPS["network"])
    assert shares["reset-before"] == pytest.approx(0.2)
    assert shares["truncated"] == pytest.approx(0.1)
    assert set(dict(parse_mix("all:0.3").shares)) == set(ALL) == set(FAULTS) - set(REFUSALS)
    assert sum(dict(parse_mix("all:0.3").shares).values()) == pytest.approx(0.3)
    assert parse_mix("").shares == ()


@pytest.mark.parametrize("text", ["reset-before", "reset-before:2", "reset-before:x", "none:0.1", "all:0.6,http:0.6"])
def test_senseless_mix_is_refused(text):
    """A missing or impossible share, an unknown name and a sum over 1 are errors."""
    with pytest.raises(ValueError, match=r"is not a fault|add up"):
        parse_mix(text)


def test_the_draw_follows_the_shares():
    """Of 4000 first calls about a tenth meet the one fault and a fifth the other."""
    picker = FaultPicker(3, parse_mix("http500:0.1,nan:0.2"))
    found = Counter(picks(picker, *(f"S{number}" for number in range(4000))))
    assert found["http500"] == pytest.approx(400, abs=100)
    assert found["nan"] == pytest.approx(800, abs=150)
    assert found[None] == 4000 - found["http500"] - found["nan"]


@settings(deadline=None)
@given(st.permutations(["A", "A", "A", "B", "B", "C", "D", "D", "D", "D"]))
def test_draw_does_not_depend_on_order(symbols):
    """However the calls of several symbols interleave, each symbol meets the same faults; a reset starts over."""
    picker = FaultPicker(1, parse_mix("all:0.7"))
    alone = FaultPicker(1, parse_mix("all:0.7"))
    expected = {symbol: picks(alone, *[symbol] * symbols.count(symbol)) for symbol in set(symbols)}
    for _ in range(2):
        met = list(zip(symbols, picks(picker, *symbols), strict=True))
        assert {symbol: [fault for other, fault in met if other == symbol] for symbol in expected} == expected
        picker.forget()


def test_another_seed_draws_differently():
    """The seed matters."""
    symbols = [f"S{number}" for number in range(100)]
    assert picks(FaultPicker(1, parse_mix("all:0.5")), *symbols) != picks(
        FaultPicker(2, parse_mix("all:0.5")), *symbols
    )


def test_a_symbol_asks_for_a_fault():
    """For ever, or for its first calls; also within a list; a text that is no fault's name is a plain symbol."""
    picker = FaultPicker(1, parse_mix(""))
    assert picks(picker, "FAULT-NAN", "FAULT-NAN", "FAULT-NAN") == ["nan"] * 3
    assert picks(picker, *["FAULT2-RESET-BODY"] * 4) == ["reset-body", "reset-body", None, None]
    assert picks(picker, "IBM,FAULT-HUGE", "FAULT-OF-NONE", "DEFAULT", "IBM") == ["huge", None, None, None]


def test_the_header_comes_first():
    """The header's fault beats the symbol's."""
    picker = FaultPicker(1, parse_mix(""))
    assert picker.pick(call("FAULT-NAN"), "stall") == "stall"


@pytest.mark.parametrize("name", FAULTS)
def test_a_symbol_can_name_every_fault(name):
    """Every fault's symbol is one that the pipeline can pass on."""
    from common.values import Symbol

    symbol = Symbol(f"FAULT999-{name.upper()}")
    assert picks(FaultPicker(1, parse_mix("")), symbol) == [name]


@pytest.mark.parametrize("function", ["GLOBAL_QUOTE", "TIME_SERIES_DAILY", "REALTIME_BULK_QUOTES"])
@pytest.mark.parametrize("name", PAYLOAD_FAULTS)
def test_payload_faults_spoil_every_document(name, function):
    """Each fault changes what a reader gets, and leaves the document it was made from as it is."""
    reply = FUNCTIONS.serve(call(function=function), premium=True)
    before = copy.deepcopy(reply.document)
    spoiled = PAYLOAD_FAULTS[name](reply.document)
    assert spoiled != reply.body
    assert reply.document == before
    assert PAYLOAD_FAULTS[name](None) == PAYLOAD_FAULTS[name](None)


def spoiled_quote(name: str) -> dict[str, object]:
    reply = FUNCTIONS.serve(call(), premium=True)
    found: dict[str, object] = json.loads(PAYLOAD_FAULTS[name](reply.document))["Global Quote"]
    return found


def quote() -> dict[str, str]:
    reply = FUNCTIONS.serve(call(), premium=True)
    found: dict[str, str] = json.loads(reply.body)["Global Quote"]
    return found


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("null-field", "05. price", None),
        ("wrong-type", "05. price", ["222.26", {"currency": "USD"}]),
        ("bool-field", "05. price", True),
        ("empty-field", "05. price", ""),
        ("none-field", "05. price", "None"),
        ("dash-field", "05. price", "-"),
        ("nan", "05. price", "NaN"),
        ("infinity", "05. price", "Infinity"),
        ("huge", "05. price", "1e999"),
        ("zero", "05. price", "0.0000"),
        ("comma", "05. price", "1,234.56"),
        ("outside-range", "05. price", "999999999.0000"),
        ("volume-negative", "06. volume", "-1"),
        ("volume-fraction", "06. volume", "12.5"),
        ("swapped-symbol", "01. symbol", "SWAPPED"),
        ("future-date", "07. latest trading day", "2999-12-31"),
        ("bad-date", "07. latest trading day", "2026-02-30"),
    ],
)
def test_a_payload_fault_changes_one_field(name, field, value):
    """The named field is wrong, all others are right."""
    assert spoiled_quote(name) == quote() | {field: value}


def test_the_other_payload_faults():
    """A field is gone, prices are negative, the range is turned over, a NaN stands bare, the price stands twice."""
    assert quote().keys() - spoiled_quote("missing-field").keys() == {"05. price"}
    assert spoiled_quote("negative")["03. high"] == f"-{quote()['03. high']}"
    turned = spoiled_quote("high-below-low")
    assert float(str(turned["03. high"])) < float(str(turned["04. low"]))
    assert math.isnan(float(str(spoiled_quote("nan-literal")["05. price"])))
    reply = FUNCTIONS.serve(call(), premium=True)
    pairs = json.loads(PAYLOAD_FAULTS["duplicate-key"](reply.document), object_pairs_hook=list)[0][1]
    assert [key for key, _ in pairs].count("05. price") == 2


@pytest.mark.parametrize("name", REFUSALS)
def test_every_refusal_comes_on_demand(name):
    """A refusal on demand is logged as a fault, and only the one that echoes the key holds it."""
    marked = Call.of({"function": "GLOBAL_QUOTE", "symbol": "IBM", "apikey": "MARKED"})
    reply = refusal(name, marked)
    assert reply.verdict == f"fault:{name}"
    assert (b"MARKED" in reply.body) == (name == "day")


def test_latency_has_its_median_and_tail():
    """Of many draws half are below the median and one in a hundred above the 99th percentile."""
    latency = parse_latency("0.11:0.5", 1)
    assert latency is not None
    draws = sorted(latency.sample() for _ in range(20_000))
    assert draws[10_000] == pytest.approx(0.11, rel=0.05)
    assert draws[19_800] == pytest.approx(0.5, rel=0.1)
    again = parse_latency("0.11:0.5", 1)
    assert again is not None
    assert sorted(again.sample() for _ in range(20_000)) == draws
    assert parse_latency("", 1) is None


@pytest.mark.parametrize("text", ["1", "0.5:0.1", "0:1", "a:b", "1:99", "nan:nan"])
def test_senseless_latency_is_refused(text):
    """The message says how to write it."""
    with pytest.raises(ValueError, match="write MEDIAN:P99"):
        parse_latency(text, 1)
