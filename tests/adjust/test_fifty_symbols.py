"""Twenty sandbox years of fifty symbols in the database, beside exact fractions."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from common.datasets import daily_bars
from common.datasets.corporate_actions import ACTIONS, CorporateAction
from common.store import Store
from common.values import DailyBar, Symbol
from sandbox.market import Market as SandboxMarket
from sandbox.market import Stock
from tests.support import textbook
from tests.support.actions import TWENTY_YEARS, listed_actions, price, split
from tests.support.market import Market

SYMBOLS = [Symbol(name) for name in (*(f"SYM{n}" for n in range(46)), "SPLIT1", "SPLIT2", "SPINOFF1", "SPINOFF2")]
LAST = 6_500
#: The views have ten places.
PLACES = 10**10
HALF_A_MILLIONTH = PLACES // 2_000_000
#: Any other value, place or version of a row gives other sums.
TUPLES = """
SELECT count(*), sum(hashtextextended(bar::text, 0)), sum(hashtextextended(bar.ctid || ' ' || bar.xmin, 0))
FROM daily_bars AS bar
"""
HISTORY = """
SELECT session, close_price, split_adjusted_close, total_return_close FROM adjusted_history
WHERE symbol = %s ORDER BY session
"""


def bars_of(stock: Stock, symbol: Symbol) -> list[DailyBar]:
    return [
        DailyBar(symbol, each.day, *map(price, (each.open, each.high, each.low, each.close)), each.volume)
        for each in stock.bars(LAST - TWENTY_YEARS + 1, LAST)
    ]


def another_split(actions: Iterable[CorporateAction], symbol: Symbol, ex_date: date) -> list[CorporateAction]:
    """The lists with one split more, in the place of what they had of that day."""
    return [*(each for each in actions if each.ex_date != ex_date), split(ex_date, 3, symbol=symbol)]


def differences(market: Market, symbol: Symbol, actions: Sequence[CorporateAction]) -> list[tuple[date, Decimal]]:
    """Return the sessions whose adjusted closes are not those of exact fractions."""
    rows = market.query(HISTORY, symbol)
    assert len(rows) == TWENTY_YEARS
    exact = textbook.factors(
        [(session, Fraction(close)) for session, close, _, _ in rows],
        [(each.ex_date, Fraction(each.numerator, each.denominator)) for each in actions if each.numerator],
        [(each.ex_date, Fraction(each.amount)) for each in actions if each.amount],
    )
    return [
        (session, shown)
        for session, close, *adjusted in rows
        for shown, factor in zip(adjusted, exact[session], strict=True)
        if not equal(shown, close, factor)
    ]


def equal(shown: Decimal, close: Decimal, factor: Fraction) -> bool:
    """Whether ``shown`` is ``close * factor`` to the sixth decimal: in whole numbers, since there are a million."""
    difference = int(shown * PLACES) * factor.denominator - int(close * PLACES) * factor.numerator
    return abs(difference) < factor.denominator * HALF_A_MILLIONTH


def test_fifty_symbols_through_the_view(store: Store, market: Market):
    """Each adjusted close is the fractions'; neither the actions nor one split more touches a raw row."""
    sandbox = SandboxMarket(7)
    for symbol in SYMBOLS:
        store.save({daily_bars.TABLE: bars_of(sandbox.stock(symbol), symbol)})
    raw = market.query(TUPLES)
    assert raw[0][0] == len(SYMBOLS) * TWENTY_YEARS
    listed = {symbol: list(listed_actions(sandbox.stock(symbol), symbol, LAST)) for symbol in SYMBOLS}
    for actions in listed.values():
        store.save({ACTIONS: actions})
    assert {symbol: found for symbol in SYMBOLS if (found := differences(market, symbol, listed[symbol]))} == {}
    for symbol in SYMBOLS:
        exchange = sandbox.stock(symbol).exchange
        more = another_split(listed[symbol], symbol, exchange.sessions[LAST - 100])
        store.save({ACTIONS: more})
        assert differences(market, symbol, more) == []
    assert market.query(TUPLES) == raw
