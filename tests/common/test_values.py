"""The values refuse ambiguity when they are built."""

import pickle
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigurationError, PipelineError
from common.quota.quota import PLANS, Quota, Window
from common.values import MAX_SYMBOL_LENGTH, Misspelt, Symbol, UpsertCounts, parse_symbols, symbol_or_misspelt

#: Tickers that tools mangle, and the provider's suffixes.
AWKWARD = [
    "NA",
    "TRUE",
    "NULL",
    "NAN",
    "INF",
    "BRK-B",
    "BRK.B",
    "TSCO.LON",
    "600104.SHH",
    "ERIC-B.STO",
    "RELIANCE.BSE",
    "^GSPC",
    "M&M.BSE",
    "L&TFH.BSE",
    "BC/PB",
    "ACWV:BAT",
    "-P-HIZ",
    "-P-A",
    "NXT(EXP20091224)",
    "ABR$D",
    "$SPX",
    ".INX",
    "AAC+",
    "AAC=",
    "EURUSD=X",
    "AAC*",
    "AAC#",
    "AAC~",
    "A'B",
    "BTC/USD",
    "600519",
    "1",
    "A" * 32,
]


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_tickers_stay_what_they_are(text: str):
    """A ticker that looks like something else is a ticker."""
    assert Symbol(f" {text.lower()} ") == text


#: What Python's upper case turns into letters of A to Z, though it is none.
TURNS_INTO_LETTERS = ["\u00df", "stra\u00dfe", "\ufb00", "\ufb01", "\u017f", "\u0131", "\u0149", "\u01f0"]
TURNS_INTO_LETTERS += ["\u212a", "\uff21"]
NO_TICKERS = ["", " ", "A B", "A,B", "A" * 33, "-", "^.", "ÄPFEL", "A\nB", "A\x00", "';DROP", "İBM", "=1+1", "€", "<A>"]
NO_TICKERS += ["A;B", "K\\B", "A\u200b", "A_B", "A[red]", '"A"']


@pytest.mark.parametrize("text", NO_TICKERS + TURNS_INTO_LETTERS)
def test_what_is_no_ticker_is_refused(text: str):
    """Blank, long, spaced and foreign texts are refused with the value and the rule."""
    with pytest.raises(ConfigurationError, match="is not a stock symbol"):
        Symbol(text)


@given(st.text(max_size=60))
def test_any_text_is_ticker_or_refused(text: str):
    """Whatever is typed gives a well-formed symbol or the one error, never another exception."""
    try:
        symbol = Symbol(text)
    except ConfigurationError:
        return
    assert 1 <= len(symbol) <= MAX_SYMBOL_LENGTH
    assert symbol.isascii()
    assert symbol == symbol.upper()
    assert Symbol(symbol) == symbol


@given(st.text(max_size=60))
def test_a_misspelt_symbol_is_no_symbol(text: str):
    """What can be no symbol is kept on one line that fits its column, and can never be taken for one that can."""
    (_, symbol) = parse_symbols(["IBM", f"{text} ;"])
    assert isinstance(symbol, Misspelt)
    assert len(symbol) <= MAX_SYMBOL_LENGTH
    assert symbol.isprintable()
    assert symbol_or_misspelt(symbol) == pickle.loads(pickle.dumps(symbol)) == symbol
    assert isinstance(symbol_or_misspelt(symbol), Misspelt)


def test_a_list_of_nothing_is_refused():
    """Where nothing can be a symbol, nothing can have been meant; where one can, the others fail alone."""
    with pytest.raises(ConfigurationError, match="is not a stock symbol"):
        parse_symbols(["A B", "\u00df"])
    assert parse_symbols(["A B", "ibm", "\u00df"]) == ("A B", "IBM", "\u00df")
    assert parse_symbols([]) == ()


def test_symbols_are_kept_in_order_once():
    """Of a symbol that is named twice the first place counts."""
    assert parse_symbols(["msft", "IBM", "MSFT"]) == (Symbol("MSFT"), Symbol("IBM"))


def test_a_symbol_survives_pickling():
    """A symbol crosses process borders as itself."""
    assert pickle.loads(pickle.dumps(Symbol("IBM"))) == Symbol("IBM")


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("25/day,1/s", [(1, 1), (25, 86_400)]),
        ("75/15s", [(75, 15)]),
        ("20/s, 75/15s", [(20, 1), (75, 15)]),
        ("1200/MIN", [(1200, 60)]),
        ("500/2h", [(500, 7200)]),
    ],
)
def test_a_quota_is_read(text: str, windows: list[tuple[int, int]]):
    """Windows are read in any order and kept shortest first."""
    assert [(w.limit, w.period_s) for w in Quota.parse(text).windows] == windows
    assert Quota.parse(str(Quota.parse(text))) == Quota.parse(text)


@pytest.mark.parametrize(
    "text", ["", "5", "5/", "/s", "0/s", "-1/s", "5/fortnight", "1/s,2/s", "1/s;25/day", "1.5/s", "1/0s"]
)
def test_an_ambiguous_quota_is_refused(text: str):
    """A quota without a period, with two limits for one period, or with a word that is none, cannot be built."""
    with pytest.raises(ConfigurationError):
        Quota.parse(text)


def test_windows_come_shortest_first():
    """A quota whose windows are out of order cannot be built, and neither can an empty one."""
    with pytest.raises(ConfigurationError):
        Quota((Window(25, 86_400), Window(1, 1)))
    with pytest.raises(ConfigurationError):
        Quota(())


def test_the_plans_are_the_providers():
    """The free plan allows 1 a second and 25 a day; the premium plans allow what their names say a minute."""
    assert str(PLANS["free"]) == "1/s,25/day"
    for name, quota in PLANS.items():
        if name != "free":
            assert quota.windows[-1] == Window(int(name.removeprefix("premium")), 60)


def test_values_are_frozen():
    """A value cannot be changed after it was built."""
    with pytest.raises(FrozenInstanceError):
        UpsertCounts(1, 2, 3).inserted = 5  # type: ignore[misc]
    assert UpsertCounts(1, 2, 3).total == 6


def leaves(branch: type[PipelineError]) -> list[type[PipelineError]]:
    return [branch, *(leaf for sub in branch.__subclasses__() for leaf in leaves(sub))]


def test_error_tree_is_drawn_and_unambiguous():
    """Each error stands in the drawing of its module, and no two share a reason code."""
    import common.errors

    found = leaves(PipelineError)
    assert [error.__name__ for error in found if error.__name__ not in (common.errors.__doc__ or "")] == []
    codes = [error.reason for error in found]
    assert len(set(codes)) == len(codes)
