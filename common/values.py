"""The pipeline's values: frozen, checked when they are built, free of any framework."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Self

from common.errors import ConfigurationError
from common.redaction import escape_controls

MAX_SYMBOL_LENGTH = 32
#: What exchanges and the provider's own lists put into a ticker. A comma or a blank would end it in a list.
_SYMBOL = re.compile(r"(?=.*[A-Z0-9])[A-Z0-9.^$*#&-][A-Z0-9.^=/&$+*':()#~%!@-]*", re.ASCII)


class Symbol(str):
    """A ticker in the provider's spelling, such as ``IBM``, ``BC/PB`` or ``TSCO.LON``: upper case, 1 to 32 long.

    It is a string to everything else. Raises ConfigurationError for text that can be no ticker.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Check ``text`` and normalise it, in this order: the upper case of ``ß`` is ``SS``, which is a ticker."""
        symbol = text.strip()
        if symbol.isascii():
            symbol = symbol.upper()
        if len(symbol) > MAX_SYMBOL_LENGTH or not _SYMBOL.fullmatch(symbol):
            raise ConfigurationError(_no_symbol(text), variable="STOCK_SYMBOLS")
        return super().__new__(cls, symbol)


class Misspelt(Symbol):
    """A text that can be no ticker, in the place of one, so that it fails alone: as it was typed, cut, on one line.

    It is equal to no Symbol, is never asked for, and reads back from the ledger as itself.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Make ``text`` harmless."""
        shown = escape_controls(text.strip())
        return str.__new__(cls, shown if len(shown) <= MAX_SYMBOL_LENGTH else shown[: MAX_SYMBOL_LENGTH - 1] + "…")

    @property
    def problem(self) -> str:
        """Why it is no symbol: one sentence."""
        return _no_symbol(self)


def _no_symbol(text: str) -> str:
    return (
        f"{text[:64]!r} is not a stock symbol: use 1 to {MAX_SYMBOL_LENGTH} of A-Z 0-9 . - ^ = / & $ + * ' : ( ) # ~ % "
        "! @, without blanks, such as IBM, BRK-B, BC/PB or TSCO.LON."
    )


def symbol_or_misspelt(text: str) -> Symbol:
    """Return the symbol, or the text as one that is misspelt."""
    try:
        return Symbol(text)
    except ConfigurationError:
        return Misspelt(text)


def parse_symbols(texts: Iterable[str]) -> tuple[Symbol, ...]:
    """Return the symbols in the order given, each once; one that can be none is Misspelt.

    Raises ConfigurationError where none of the texts can be a symbol: then nothing can have been meant.
    """
    symbols = tuple(dict.fromkeys(map(symbol_or_misspelt, texts)))
    if symbols and all(isinstance(symbol, Misspelt) for symbol in symbols):
        raise ConfigurationError(_no_symbol(symbols[0]), variable="STOCK_SYMBOLS")
    return symbols


@dataclass(frozen=True, slots=True)
class Quote:
    """The latest quote of a symbol: one row of ``stock_quotes``, under the table's own names.

    Prices are in the exchange's own unit (London's in pence). ``change_percent`` is in percent: -0.4761 is
    -0.4761 %. ``data_timestamp`` is when the reply arrived.
    """

    symbol: Symbol
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    price: Decimal
    volume: int
    latest_trading_day: date
    previous_close: Decimal
    change_amount: Decimal
    change_percent: Decimal
    data_timestamp: datetime


@dataclass(frozen=True, slots=True)
class DailyBar:
    """One session of a symbol, prices as traded (not adjusted for splits or dividends)."""

    symbol: Symbol
    session: date
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    close_price: Decimal
    volume: int
    adjusted_close: Decimal | None = None
    dividend_amount: Decimal | None = None
    split_coefficient: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful HTTP reply: the decoded JSON object (empty where CSV was asked for), and its redacted text.

    ``received_at`` is aware (UTC). ``latency_s`` runs from the first byte sent to the last byte read.
    """

    document: dict[str, object]
    text: str
    received_at: datetime
    latency_s: float


@dataclass(frozen=True, slots=True)
class UpsertCounts:
    """How many rows an upsert inserted, changed, and found already as they should be."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0

    @property
    def total(self) -> int:
        """All rows that were handed in (duplicates of a key count once)."""
        return self.inserted + self.updated + self.unchanged


class OutcomeStatus(StrEnum):
    """What became of a symbol in a run."""

    PLANNED = "planned"  # in the plan, nothing happened yet
    STORED = "stored"  # fetched, valid, in the table (inserted, updated or already equal)
    SKIPPED = "skipped"  # not fetched: its latest completed session is stored already
    POSTPONED = "postponed"  # not fetched: today's quota does not reach it
    STALE = "stale"  # stored, but of an earlier session than the latest that is complete: asked for again
    QUARANTINED = "quarantined"  # the reply was refused and is kept with the reason
    FAILED = "failed"  # an error ended it


#: A symbol with one of these is done: a retry of the same run leaves it alone.
SETTLED = frozenset({OutcomeStatus.STORED, OutcomeStatus.SKIPPED, OutcomeStatus.POSTPONED})


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the ledger ``fetch_outcomes``: what became of ``symbol`` in the run ``run_id``.

    ``reason`` is a stable code (an error's ``reason``, a rejection's ``code``, or ``inserted``, ``updated``,
    ``unchanged``), ``detail`` a sentence for a person. ``worker`` names the process that did the work.
    ``retry_at`` says when a postponed symbol can go. ``dataset``: what was asked for.
    """

    run_id: str
    symbol: Symbol
    status: OutcomeStatus
    reason: str = ""
    detail: str = ""
    worker: str = ""
    api_calls: int = 0
    retry_at: datetime | None = None
    dataset: str = "quotes"


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call in the durable ledger. ``age_s``: since it was settled, else since it was sent, by the ledger's clock."""

    permit_id: str
    age_s: float


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a reply or a row was refused. ``code`` is stable; ``message`` names the field and the value."""

    code: str
    message: str
    field_name: str = ""
