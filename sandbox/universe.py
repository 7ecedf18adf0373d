"""The listed companies: what LISTING_STATUS and SYMBOL_SEARCH know. Prices exist for any other symbol too."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import islice, product
from typing import Final

ACTIVE: Final = 8000
DELISTED: Final = 500
_MATCHES: Final = 10
_WELL_KNOWN: Final = (
    ("A", "Agilent Technologies Inc"), ("AAPL", "Apple Inc"), ("AMZN", "Amazon.com Inc"),
    ("BA", "Boeing Company"), ("BRK-B", "Berkshire Hathaway Inc - Class B"), ("GOOGL", "Alphabet Inc - Class A"),
    ("IBM", "International Business Machines Corp"), ("INF", "Infinity Invented Corp"), ("JPM", "JPMorgan Chase & Co"),
    ("META", "Meta Platforms Inc - Class A"), ("MSFT", "Microsoft Corporation"), ("NA", "Nano Invented Corp"),
    ("NAN", "Nuveen Invented Fund"), ("NULL", "Null Invented Corp"), ("NVDA", "NVIDIA Corp"),
    ("SAIC", "Science Applications International Corp"), ("TRUE", "TrueCar Inc"), ("TSLA", "Tesla Inc"),
    ("V", "Visa Inc - Class A"), ("XOM", "Exxon Mobil Corp"),
)  # fmt: skip
_ABROAD: Final = (
    ("TSCO.LON", "Tesco PLC", "United Kingdom", "08:00", "16:30", "UTC+01", "GBX"),
    ("SHOP.TRT", "Shopify Inc", "Toronto", "09:30", "16:00", "UTC-05", "CAD"),
    ("MBG.DEX", "Mercedes-Benz Group AG", "XETRA", "08:00", "20:00", "UTC+02", "EUR"),
    ("RELIANCE.BSE", "Reliance Industries Limited", "India/Bombay", "09:15", "15:30", "UTC+5.5", "INR"),
    ("600104.SHH", "SAIC Motor Corporation", "Shanghai", "09:30", "15:00", "UTC+08", "CNY"),
)
_HOME: Final = ("United States", "09:30", "16:00", "UTC-04", "USD")
_CONSONANTS: Final = "BCDFGHKLMNPRSTVWXZ"
_VOWELS: Final = "AEIOU"


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of LISTING_STATUS."""

    symbol: str
    name: str
    exchange: str
    asset: str
    ipo: date
    delisted: date | None = None

    def row(self, state: str) -> tuple[str, ...]:
        """Return the line's cells; a missing date is the literal ``null``."""
        gone = self.delisted.isoformat() if self.delisted and state == "Delisted" else "null"
        return self.symbol, self.name, self.exchange, self.asset, self.ipo.isoformat(), gone, state


LISTING_HEADER: Final = ("symbol", "name", "exchange", "assetType", "ipoDate", "delistingDate", "status")
MATCH_FIELDS: Final = (
    "symbol", "name", "type", "region", "marketOpen", "marketClose", "timezone", "currency", "matchScore",
)  # fmt: skip


def _invented() -> Iterator[tuple[str, str]]:
    known = {symbol for symbol, _ in _WELL_KNOWN}
    for letters in product(_CONSONANTS, _VOWELS, _CONSONANTS, _VOWELS):
        if (symbol := "".join(letters)) not in known:
            yield symbol, f"{symbol.capitalize()} Invented Corp"


def _listing(number: int, symbol: str, name: str) -> Listing:
    ipo = date(1999, 11, 18) + timedelta(days=number * 37 % 7300)
    exchange = ("NYSE", "NASDAQ", "NYSE ARCA", "NYSE MKT")[number % 4 if number >= len(_WELL_KNOWN) else number % 2]
    asset = "ETF" if exchange == "NYSE ARCA" else "Stock"
    gone = max(ipo, date(2010, 1, 4)) + timedelta(days=number * 53 % 5000) if number >= ACTIVE else None
    return Listing(symbol, name, exchange, asset, ipo, gone)


@lru_cache(maxsize=1)
def listings() -> tuple[Listing, ...]:
    """Return all companies, the delisted ones last."""
    names = islice((*_WELL_KNOWN, *_invented()), ACTIVE + DELISTED)
    return tuple(_listing(number, symbol, name) for number, (symbol, name) in enumerate(names))


#: As in the provider's own list: a name of blanks or none, test issues, units with a colon, a ticker that is a word.
_DIRT: Final = (
    ("ZVZZT", "NASDAQ TEST STOCK", "NASDAQ", "Stock", "2006-04-12"),
    ("CBO", "NYSE LISTED TEST STOCK FOR CTS AND CQS", "NYSE", "Stock", "2007-06-01"),
    ("ACWV:BAT", "", "BATS", "ETF", "2011-10-20"),
    ("-P-HIZ", "   ", "NYSE", "Stock", "2012-03-02"),
    ("NXT(EXP20091224)", "Nextwave Invented Corp", "NYSE", "Stock", "2007-01-03"),
)
#: No line of a listing at all: cells are missing, or the date is no date.
_UNREADABLE: Final = (
    ("BROKEN", "Half of a line"),
    ("BADDATE", "Bad Date Corp", "NYSE", "Stock", "soon", "null", "Active"),
)
#: A ticker that a delisted company had before another one took it.
REUSED: Final = "ULTI"
_BEFORE: Final = Listing(REUSED, "Ultimate Invented Software", "NASDAQ", "Stock", date(1998, 6, 2), date(2019, 5, 6))
_NOW: Final = Listing(REUSED, "Ultra Invented Trust", "NASDAQ", "ETF", date(2025, 10, 31))


@lru_cache(maxsize=64)
def listing_rows(on: date, state: str) -> tuple[tuple[str, ...], ...]:
    """Return LISTING_STATUS as it was ``on`` that day: header and rows. ``state`` is active or delisted."""
    rows = [
        listing.row(state.capitalize())
        for listing in (*listings(), _BEFORE, _NOW)
        if listing.ipo <= on and (listing.delisted is not None and listing.delisted <= on) == (state == "delisted")
    ]
    if state == "active":
        rows += [(*cells, "null", "Active") for cells in _DIRT if cells[-1] <= on.isoformat()]
        rows += _UNREADABLE
    return LISTING_HEADER, *sorted(rows)


def _score(keywords: str, symbol: str, name: str) -> float:
    """Return how well a company matches, 0 to 1; the provider does not document its own measure."""
    wanted = keywords.upper()
    best = 0.0
    for text in (symbol, name.upper()):
        if text == wanted:
            return 1.0
        if wanted in text:
            best = max(best, len(wanted) / len(text) * (1 if text.startswith(wanted) else 0.8))
    return best


def search(keywords: str) -> list[tuple[str, ...]]:
    """Return the rows of SYMBOL_SEARCH, best first, at most ten, under MATCH_FIELDS."""
    found = []
    for symbol, name, *abroad in _ABROAD:
        if score := _score(keywords, symbol, name):
            found.append((score, (symbol, name, "Equity", *abroad)))
    for listing in listings()[:ACTIVE]:
        if score := _score(keywords, listing.symbol, listing.name):
            kind = "ETF" if listing.asset == "ETF" else "Equity"
            found.append((score, (listing.symbol, listing.name, kind, *_HOME)))
    best = sorted(found, key=lambda match: (-match[0], match[1][0]))[:_MATCHES]
    return [(*row, f"{score:.4f}") for score, row in best]
