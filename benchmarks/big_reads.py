"""Reads of a big market through the product's views and queries, beside the designs that lost."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import cycle
from typing import Any, Final

from psycopg2.extensions import cursor as Cursor

from benchmarks.adjust import SEGMENT_OF_EACH_BAR
from benchmarks.big_market import SESSIONS, BigMarket
from benchmarks.comparing import COLUMNS, Way, compared
from benchmarks.tables import Table
from common.datasets import daily_bars
from common.store import Store
from common.values import Symbol

TIMES: Final = 40
_ALL: Final = 10_000

# What the factors would be without a table of segments. Both lost: the first is exact no more, the second walks.
_STEPS: Final = """
SELECT
    bar.symbol, bar.session, bar.close_price,
    coalesce((
        SELECT exp(sum(ln(coalesce(denominator::numeric / numerator, 1 - amount / nullif(before.close_price, 0)))))
        FROM corporate_actions AS action
        CROSS JOIN LATERAL (
            SELECT close_price FROM daily_bars AS earlier
            WHERE earlier.symbol = action.symbol AND earlier.session < action.ex_date
            ORDER BY earlier.session DESC LIMIT 1
        ) AS before
        WHERE action.symbol = bar.symbol AND {} AND action.withdrawn_at IS NULL
    ), 1) AS step
FROM daily_bars AS bar
"""
_DESIGNS: Final = {
    "segment_of_each_bar": SEGMENT_OF_EACH_BAR.replace("CREATE", "CREATE TEMPORARY"),
    "product_for_each_bar": f"""
CREATE TEMPORARY VIEW product_for_each_bar AS
SELECT symbol, session, round(close_price * step, 10) AS close_price
FROM ({_STEPS.format("action.ex_date > bar.session")}) AS stepped
""",
    "window_product": f"""
CREATE TEMPORARY VIEW window_product AS
SELECT symbol, session, round(close_price * coalesce(exp(sum(ln(step)) OVER later), 1), 10) AS close_price
FROM ({_STEPS.format("action.ex_date = bar.session")}) AS stepped
WINDOW later AS (PARTITION BY symbol ORDER BY session DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
""",
}
_OF_ONE: Final = "SELECT session, close_price FROM {} WHERE symbol = %(symbol)s ORDER BY session"
_WHOLE: Final = "SELECT * FROM {} WHERE symbol = %(symbol)s ORDER BY session"
_DISTINCT_QUOTES: Final = "SELECT DISTINCT ON (symbol) * FROM stock_quotes ORDER BY symbol, latest_trading_day DESC"
_NEWEST_JOINED: Final = """
SELECT * FROM stock_quotes
INNER JOIN (SELECT symbol, max(latest_trading_day) AS latest_trading_day FROM stock_quotes GROUP BY symbol) AS newest
USING (symbol, latest_trading_day)
"""
_DISTINCT_BARS: Final = "SELECT DISTINCT ON (symbol) symbol, session FROM daily_bars ORDER BY symbol, session DESC"
_BY_DAY: Final = "SELECT symbol, close_price FROM daily_bars WHERE session = %(newest)s"
_BY_SYMBOL: Final = """
SELECT bar.symbol, bar.close_price FROM latest_quotes
INNER JOIN daily_bars AS bar USING (symbol) WHERE bar.session = %(newest)s
"""


def reads(market: BigMarket, *, times: int = TIMES) -> list[Table]:
    """Ask for one symbol's history, the newest of all, and one day of all."""
    with (
        closing(market.administrate()) as connection,
        connection.cursor() as cursor,
        Store(market.dsn(), timeout_s=60) as store,
    ):
        for view in _DESIGNS.values():
            cursor.execute(view)
        ask = _Asking(cursor)
        rows = [*_histories(ask, times), *_newest(ask, store, times), *_day(ask, times)]
    return [Table("Reading", COLUMNS, rows, _NOTE)]


class _Asking:
    """Questions in SQL, the answers made Python's; each names symbols in turn."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.symbols = [Symbol(symbol) for (symbol,) in self.answer("SELECT symbol FROM latest_quotes")]
        self.longest = [
            symbol
            for (symbol,) in self.answer(
                "SELECT symbol FROM listings AS listing WHERE status = 'Active' AND ipo_date = "
                "(SELECT min(ipo_date) FROM listings WHERE status = 'Active') ORDER BY symbol"
            )
        ]
        ((self.newest,),) = self.answer("SELECT max(latest_trading_day) FROM stock_quotes")

    def answer(self, question: str, values: Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        self._cursor.execute(question, values)
        return self._cursor.fetchall()

    def view_exists(self, name: str) -> bool:
        return self.answer("SELECT to_regclass(%(name)s) IS NOT NULL", {"name": name})[0][0] is True

    def of_symbols(self, question: str, symbols: Sequence[str]) -> Way:
        """Return what asks the question of another one of the symbols each time."""
        turn = cycle(symbols)
        return lambda: self.answer(question, {"symbol": next(turn)})

    def of_day(self, question: str) -> Way:
        return lambda: self.answer(question, {"newest": self.newest})


def _histories(ask: _Asking, times: int) -> Iterator[tuple[str | float, ...]]:
    sources = ["price_history", "split_adjusted_bars", "total_return_bars"]
    sources += [view for view in ("adjusted_history",) if ask.view_exists(view)]
    for question, symbols in (("the same symbol again", ask.longest[:1]), ("another symbol each time", ask.longest)):
        whole = {f"{source}, all columns": ask.of_symbols(_WHOLE.format(source), symbols) for source in sources}
        yield from compared(f"20 years, {question}", whole, times)
    losing = ["total_return_bars", "segment_of_each_bar", "window_product", "product_for_each_bar *"]
    closes = {name: ask.of_symbols(_OF_ONE.format(name.split()[0]), ask.longest[:1]) for name in losing}
    yield from compared("20 years, session and close", closes, times)


def _newest(ask: _Asking, store: Store, times: int) -> Iterator[tuple[str | float, ...]]:
    def product(symbols: Sequence[Symbol] | None) -> Callable[[], object]:
        return lambda: store.quotes(symbols, limit=_ALL)

    quotes: dict[str, Way] = {
        "latest_quotes": ask.of_day("SELECT * FROM latest_quotes"),
        "Store.quotes(), as objects": product(None),
        "Store.quotes(symbols), as objects": product(ask.symbols),
        "the same rows by their day": ask.of_day("SELECT * FROM stock_quotes WHERE latest_trading_day = %(newest)s"),
        "DISTINCT ON *": ask.of_day(_DISTINCT_QUOTES),
        "joined to max() by symbol *": ask.of_day(_NEWEST_JOINED),
    }
    yield from compared(f"the newest quotes of {len(ask.symbols):,}", quotes, times)
    bars: dict[str, Way] = {
        "Store.latest_sessions": lambda: store.latest_sessions(ask.symbols, [daily_bars.TABLE]),
        "DISTINCT ON *": ask.of_day(_DISTINCT_BARS),
    }
    yield from compared(f"the newest sessions of {len(ask.symbols):,}", bars, times)


def _day(ask: _Asking, times: int) -> Iterator[tuple[str | float, ...]]:
    ways = {"by the symbols that there are": ask.of_day(_BY_SYMBOL), "by the day alone": ask.of_day(_BY_DAY)}
    yield from compared(f"one session of {len(ask.symbols):,}", ways, times)


_NOTE: Final = (
    f"Milliseconds until the last row is Python's; 20 years are {SESSIONS:,} sessions. All files are in the system's "
    "memory, PostgreSQL's own 128 MB are far smaller than the tables. * is asked three times only."
)
