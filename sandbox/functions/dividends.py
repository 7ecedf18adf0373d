"""DIVIDENDS: every dividend of one symbol, newest first, those that are declared and still to come among them."""

from collections.abc import Sequence
from datetime import date
from typing import Final

from sandbox import texts
from sandbox.calls import Answer, Call, refuse
from sandbox.functions.world import World, csv_reply, is_known, json_answer
from sandbox.market import TICKS
from sandbox.payloads import Row

#: A dividend is declared so many sessions before its ex-date, and paid so many after it.
DECLARED_BEFORE: Final = 14
_PAID_AFTER: Final = 20
#: Of dividends older than so many sessions only the ex-date is known, as with the provider.
_DATES_KNOWN: Final = 1500
_UNKNOWN: Final = "None"


def serve(world: World, call: Call, premium: bool) -> Answer:
    """Answer with the dividends that are declared by the latest session; an unknown symbol never had one."""
    del premium
    if not call.symbol:
        return refuse("parameters", texts.invalid_call(call.function))
    if not is_known(call.symbol):
        return json_answer({"symbol": call.symbol, "data": []})
    stock = world.market.stock(call.symbol)
    latest = world.latest(stock.exchange)

    def build() -> Answer:
        dividends = stock.dividends(latest + DECLARED_BEFORE)
        rows = [_row(stock.exchange.sessions, session, ticks, latest) for session, ticks in reversed(dividends)]
        return csv_reply(rows) if call.csv and rows else json_answer({"symbol": call.symbol, "data": rows})

    return world.cached(call.symbol, ("dividends", call.csv), build)


def _row(days: Sequence[date], session: int, ticks: int, latest: int) -> Row:
    known = latest - session < _DATES_KNOWN
    return {
        "ex_dividend_date": days[session].isoformat(),
        "declaration_date": days[session - DECLARED_BEFORE].isoformat() if known else _UNKNOWN,
        "record_date": days[session].isoformat() if known else _UNKNOWN,
        "payment_date": days[session + _PAID_AFTER].isoformat() if known else _UNKNOWN,
        "amount": str(ticks / TICKS),
    }
