"""The newest bar as a quote."""

from decimal import Decimal

import pytest

from common.datasets import daily_bars, quotes
from common.datasets.quotes_from_bars import QUOTES_FROM_BARS
from common.values import Symbol
from tests.support.replies import reply_of

IBM = Symbol("IBM")


def series(*rows: tuple[str, str, str]) -> dict[str, object]:
    bars = {
        day: {"1. open": close, "2. high": close, "3. low": low, "4. close": close, "5. volume": "7"}
        for day, close, low in rows
    }
    meta = {"2. Symbol": "IBM", "3. Last Refreshed": rows[0][0]}
    return {"Meta Data": meta, "Time Series (Daily)": bars}


def test_the_newest_bar_is_the_quote():
    """Its close is the price, the close before it the previous one, and the change is theirs."""
    reply = reply_of(series(("2026-10-05", "11.0000", "10.5000"), ("2026-10-02", "10.0000", "9.0000")))
    parsed = QUOTES_FROM_BARS.parse(IBM, reply)
    [quote] = parsed.rows[quotes.TABLE]
    assert len(parsed.rows[daily_bars.TABLE]) == 2
    assert (quote.price, quote.previous_close, quote.change_amount) == (Decimal(11), Decimal(10), Decimal(1))
    assert (quote.change_percent, str(quote.latest_trading_day)) == (Decimal("10.0000"), "2026-10-05")
    assert quote.data_timestamp == reply.received_at


@pytest.mark.parametrize(
    "rows",
    [
        [("2026-10-05", "11.0000", "10.5000")],
        [("2026-10-05", "11", "10"), ("2026-10-02", "10", "nothing"), ("2026-10-01", "9", "9")],
    ],
    ids=["one bar", "a refused bar between"],
)
def test_without_the_close_before_no_quote(rows):
    """Where the close of the session before is not known the bars are stored, and no quote is made up."""
    parsed = QUOTES_FROM_BARS.parse(IBM, reply_of(series(*rows)))
    assert quotes.TABLE not in parsed.rows
    assert parsed.rows[daily_bars.TABLE]
