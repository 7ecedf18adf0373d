"""LISTING_STATUS read: CSV in, listings and findings out. Pure."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from common.datasets.checks import read_row
from common.datasets.fields import Day, OrNone
from common.errors import ConfigurationError, PayloadRejected
from common.provider import MAX_BYTES_LISTING, Request
from common.redaction import escape_controls, one_line
from common.values import Rejection, Symbol

#: What the ledger of calls, and messages, know the lists by.
NAME: Final = "listings"
#: Longest texts, in characters, as the columns have them: what is longer is cut. The longest name seen has 158.
MAX_NAME: Final = 200
MAX_WORD: Final = 64

Status = Literal["Active", "Delisted"]

_HEADER: Final = "symbol,name,exchange,assetType,ipoDate,delistingDate,status"
_COLUMNS: Final = _HEADER.split(",")
#: What exchanges list to test their machines: tickers that are kept for that, and how the others are named.
_TEST_TICKER: Final = re.compile(r"[A-Z]TEST(-[A-Z])?|Z[A-Z]ZZT|ZXYZ-A|ZTST|ZZK")
_TEST_NAME: Final = re.compile(
    r"\bTEST (STOCK|SYMBOL|TICKER|ISSUE|SECURITY)\b|\b(LISTED|SYMBOLOGY) TEST$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of the list: a company, or a fund, under a ticker.

    ``name`` may be empty. A ticker is reused: with another name or ``ipo_date`` it may be another company.
    """

    symbol: Symbol
    name: str
    exchange: str
    asset_type: str
    ipo_date: date | None
    delisting_date: date | None
    status: Status

    @property
    def is_test(self) -> bool:
        """Whether nobody can own it: an exchange lists it to test its machines."""
        return bool(_TEST_TICKER.fullmatch(self.symbol) or _TEST_NAME.search(self.name))


@dataclass(frozen=True, slots=True)
class ListingsRead:
    """The listings of a list, in its order, and why each other line is left out."""

    listings: Sequence[Listing]
    findings: Sequence[Rejection]


def request(status: Status) -> Request:
    """Ask for every company that is listed today, or for those that were once: CSV, about 1 MB."""
    return Request("LISTING_STATUS", NAME, {"state": status.lower()}, MAX_BYTES_LISTING, format="csv")


def read_listings(text: str, status: Status) -> ListingsRead:
    """Read the list of a status. Raises PayloadRejected with a code of the package's table."""
    header, *lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if header != _HEADER:
        raise _refused(text, "wrong_header", f"its columns are {one_line(header)!r} and not {_HEADER!r}")
    if not lines or lines.pop():
        raise _refused(text, "cut_short", f"its last line, {len(lines) + 2}, does not end")
    kept: dict[object, tuple[int, Listing]] = {}
    findings = []
    for number, line in enumerate(lines, 2):
        read = _read(line, status)
        if isinstance(read, Rejection):
            findings.append(_of_line(number, read))
            continue
        key = (read.symbol, read.ipo_date, read.delisting_date)
        if key in kept:
            again = Rejection("duplicate", f"line {number} lists {read.symbol} with the same dates again, and counts")
            findings.append(_of_line(kept[key][0], again))
        kept[key] = number, read
    if not kept:
        raise _refused(text, "no_rows", f"none of its {len(lines)} lines is a listing")
    return ListingsRead([listing for _, listing in kept.values()], findings)


def _read(line: str, status: Status) -> Listing | Rejection:
    """Return the listing of a line, read by itself: a quote that does not end would swallow the lines after it."""
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], strict=True), [])]
    except csv.Error as problem:
        return Rejection("wrong_width", f"{one_line(line)!r} is no line of CSV: {problem}")
    if len(cells) != len(_COLUMNS):
        return Rejection("wrong_width", f"{one_line(line)!r} has {len(cells)} cells and not {len(_COLUMNS)}")
    row = read_row(_Row, dict(zip(_COLUMNS, cells, strict=True)))
    if isinstance(row, Rejection):
        return row
    if row.status != status:
        return Rejection("wrong_status", f"{row.symbol} is {row.status!r}, and the list of {status!r} was asked for")
    return Listing(row.symbol, row.name, row.exchange, row.asset_type, row.ipo_date, row.delisting_date, status)


def _ticker(text: str) -> Symbol:
    try:
        return Symbol(text)
    except ConfigurationError:
        raise PydanticCustomError("not_a_symbol", "can be no symbol") from None


def _word(text: str) -> str:
    if not text:
        raise PydanticCustomError("no_value", "holds no value")
    return escape_controls(text)[:MAX_WORD]


class _Row(BaseModel):
    """A line's cells under our names."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    symbol: Annotated[Symbol, BeforeValidator(_ticker)]
    name: Annotated[str, AfterValidator(lambda text: escape_controls(text)[:MAX_NAME])]
    exchange: Annotated[str, AfterValidator(_word)]
    asset_type: Annotated[str, AfterValidator(_word)] = Field(alias="assetType")
    ipo_date: Annotated[Day | None, OrNone] = Field(alias="ipoDate")
    delisting_date: Annotated[Day | None, OrNone] = Field(alias="delistingDate")
    status: Annotated[str, AfterValidator(_word)]


def _of_line(number: int, rejection: Rejection) -> Rejection:
    return Rejection(rejection.code, f"line {number}: {rejection.message}", rejection.field_name)


def _refused(text: str, code: str, why: str) -> PayloadRejected:
    return PayloadRejected(
        f"{NAME}: the list of companies cannot be used: {why}. What is stored stays as it is.", code=code, payload=text
    )
