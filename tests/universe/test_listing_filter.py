"""STOCK_SYMBOLS=listing:…: how it is written, and which companies it chooses."""

import pytest

from common.errors import ConfigurationError
from common.universe.listing_filter import ListingFilter
from common.universe.listings import Listing
from common.values import Symbol


def listing(symbol: str, exchange: str = "NASDAQ", asset_type: str = "Stock", name: str = "") -> Listing:
    return Listing(Symbol(symbol), name, exchange, asset_type, None, None, "Active")


LISTED = [
    listing("AAPL"),
    listing("IBM", "NYSE"),
    listing("SPY", "NYSE ARCA", "ETF"),
    listing("QQQ", asset_type="ETF"),
    listing("ZVZZT", name="NASDAQ TEST STOCK"),
]


@pytest.mark.parametrize(
    ("text", "symbols", "canonical"),
    [
        ("listing:NASDAQ", ["AAPL", "QQQ"], "listing:NASDAQ"),
        ("listing:nyse,NASDAQ", ["AAPL", "IBM", "QQQ"], "listing:NYSE,NASDAQ"),
        ("LISTING:NYSE ARCA, NYSE", ["IBM", "SPY"], "listing:NYSE_ARCA,NYSE"),
        ("listing:NYSE_ARCA", ["SPY"], "listing:NYSE_ARCA"),
        ("listing:all", ["AAPL", "IBM", "SPY", "QQQ"], "listing:all"),
        ("listing:all:type=etf", ["SPY", "QQQ"], "listing:all:type=ETF"),
        ("listing:NASDAQ:type=Stock,ETF", ["AAPL", "QQQ"], "listing:NASDAQ:type=STOCK,ETF"),
        ("listing:NASDAQ:type=all", ["AAPL", "QQQ"], "listing:NASDAQ"),
    ],
)
def test_what_is_chosen(text: str, symbols: list[str], canonical: str):
    """Exchanges, and types if one is named, in any case, with _ for a blank; never what exchanges test with."""
    chosen = ListingFilter.parse(text)
    assert sorted(chosen.symbols(LISTED)) == sorted(symbols)
    assert str(chosen) == canonical
    assert ListingFilter.parse(canonical) == chosen
    chosen.require_known(LISTED)


@pytest.mark.parametrize(
    "text",
    [
        "listing:",
        "listing:,",
        "listing",
        "listing:NASDAQ;type=ETF",
        "listing:NASDAQ:ETF",
        "listing:NASDAQ:type=",
        "listing:NASDAQ:type=,",
        "listing:NASDAQ:type=ETF:more",
        "listing:type=ETF",
    ],
)
def test_what_is_no_choice(text: str):
    """Anything else is refused with the value and how it is written."""
    with pytest.raises(ConfigurationError, match=r"write listing:NASDAQ,NYSE") as raised:
        ListingFilter.parse(text)
    assert repr(text) in str(raised.value)
    assert raised.value.variable == "STOCK_SYMBOLS"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("listing:NSDQ,NYSE", "knows no exchange 'NSDQ'; there are NASDAQ, NYSE, NYSE_ARCA."),
        ("listing:NYSE:type=Fund", "knows no type 'FUND'; there are ETF, STOCK."),
    ],
)
def test_an_unknown_name_is_named(text: str, sentence: str):
    """A name that no listing has is refused beside those that there are."""
    with pytest.raises(ConfigurationError) as raised:
        ListingFilter.parse(text).require_known(LISTED)
    assert str(raised.value).endswith(sentence)


def test_a_symbol_is_chosen_once():
    """A ticker that two lines have is asked for once."""
    assert ListingFilter().symbols([listing("AAPL"), listing("AAPL", "NYSE")]) == ("AAPL",)
