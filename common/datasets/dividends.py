"""Dividends: DIVIDENDS, the list of all cash dividends of a symbol, declared ones of the future among them.

Amounts are per share as paid on the day, not adjusted for later splits. A date that is not known is the text ``None``.
"""

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field

from common.datasets.corporate_actions import ACTIONS, ActionRow, CorporateAction, read_actions
from common.datasets.dataset import Dataset, Every, Parsed
from common.datasets.fields import Computed, Day, OrNone, Positive
from common.provider import Request
from common.values import Reply, Symbol

KIND: Final = "dividend"
_OptionalDay = Annotated[Day | None, OrNone]


class DividendRow(ActionRow):
    """A row of DIVIDENDS."""

    ex_date: Day = Field(alias="ex_dividend_date")
    amount: Annotated[Computed, Positive]
    declared_on: _OptionalDay = Field(alias="declaration_date", default=None)
    recorded_on: _OptionalDay = Field(alias="record_date", default=None)
    paid_on: _OptionalDay = Field(alias="payment_date", default=None)


def request(symbol: Symbol) -> Request:
    """Ask for every dividend of the symbol, one call of the quota."""
    return Request("DIVIDENDS", symbol, {"symbol": symbol})


def parse(symbol: Symbol, reply: Reply) -> Parsed:
    """Return the dividends of a DIVIDENDS reply. Raises PayloadRejected with a code of the package's table."""

    def build(row: DividendRow) -> CorporateAction:
        return CorporateAction(
            symbol,
            KIND,
            row.ex_date,
            amount=row.amount,
            declared_on=row.declared_on,
            recorded_on=row.recorded_on,
            paid_on=row.paid_on,
            provider_text=str(row.amount),
        )

    return read_actions(symbol, reply, DividendRow, build)


DIVIDENDS: Final = Dataset("dividends", request, parse, (ACTIONS,), due=Every(timedelta(days=30)))
