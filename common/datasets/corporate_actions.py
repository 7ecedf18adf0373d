"""What splits and dividends share: a row, its table, and how a list of them is read."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict

from common.datasets.checks import check_symbol, kind_of, read_row, refuse
from common.datasets.dataset import PRICE, SYMBOL, Parsed, Table
from common.values import Rejection, Reply, Symbol

ACTIONS: Final = Table(
    "corporate_actions",
    {
        "symbol": SYMBOL,
        "kind": "text",
        "ex_date": "date",
        "seq": "smallint",
        "numerator": "bigint",
        "denominator": "bigint",
        "amount": PRICE,
        "declared_on": "date",
        "recorded_on": "date",
        "paid_on": "date",
        "provider_text": "text",
    },
    key=("symbol", "kind", "ex_date", "seq"),
    withdrawn="withdrawn_at",
)
_ROWS: Final = "data"
_SYMBOL: Final = "symbol"


@dataclass(frozen=True, slots=True)
class CorporateAction:
    """A split or a dividend, effective before the open of ``ex_date``; ``seq`` tells two of one day apart.

    A split makes ``numerator`` shares of ``denominator``. A dividend's ``amount`` is per share as paid then, not
    adjusted for later splits, in the unit of the symbol's prices. ``provider_text`` is the number as it came.
    """

    symbol: Symbol
    kind: str
    ex_date: date
    seq: int = 0
    numerator: int | None = None
    denominator: int | None = None
    amount: Decimal | None = None
    declared_on: date | None = None
    recorded_on: date | None = None
    paid_on: date | None = None
    provider_text: str = ""


class ActionRow(BaseModel):
    """A row of such a list, under our names."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


R = TypeVar("R", bound=ActionRow)


def read_actions(
    symbol: Symbol, reply: Reply, kind: type[R], build: Callable[[R], CorporateAction | Rejection]
) -> Parsed:
    """Read ``{"symbol": …, "data": [row, …]}``, newest first. An empty list is an answer: there never was one.

    Raises PayloadRejected where the structure is wrong or the list is another symbol's.
    """
    if mismatch := check_symbol(_SYMBOL, reply.document.get(_SYMBOL), symbol):
        raise refuse(symbol, reply, mismatch)
    if _ROWS not in reply.document:
        raise refuse(symbol, reply, Rejection("missing_root", f"the reply has no {_ROWS!r}", _ROWS))
    rows = reply.document[_ROWS]
    if not isinstance(rows, list):
        raise refuse(symbol, reply, Rejection("wrong_structure", f"{_ROWS!r} is {kind_of(rows)}, not a list", _ROWS))
    actions, rejections = [], []
    for number, values in enumerate(rows, 1):
        row = read_row(kind, values)
        verdict = row if isinstance(row, Rejection) else build(row)
        if isinstance(verdict, Rejection):
            rejections.append(Rejection(verdict.code, f"row {number}: {verdict.message}", verdict.field_name))
        else:
            actions.append(verdict)
    return Parsed({ACTIONS: list(_told_apart(actions))}, rejections, f"{len(actions)} in the list")


def _told_apart(actions: list[CorporateAction]) -> Iterator[CorporateAction]:
    """Number the actions of one day, the least first, so that the same list gives the same keys in any order.

    The same action twice is one: the provider repeats lines.
    """
    by_day: defaultdict[date, set[CorporateAction]] = defaultdict(set)
    for action in actions:
        by_day[action.ex_date].add(action)
    for day in sorted(by_day):
        for seq, action in enumerate(sorted(by_day[day], key=lambda each: each.provider_text)):
            yield replace(action, seq=seq)
