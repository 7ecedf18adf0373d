"""Adjusted prices: what the views cost beside the bars as traded, and what keeping the factors costs those who save."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from psycopg2.extensions import cursor as Cursor
from pydantic import SecretStr

from benchmarks.clusters import progress
from benchmarks.servers import running_servers
from benchmarks.tables import Table, middle
from common.adjust.rebuild import refresh_factors
from common.datasets import daily_bars
from common.datasets.corporate_actions import ACTIONS, CorporateAction
from common.datasets.splits import ratio_of
from common.store import Store
from common.values import DailyBar, Symbol
from sandbox.market import TICKS, Market, Stock

#: Twenty years, up to the sandbox's session LAST.
SESSIONS, LAST = 5_040, 6_500
#: Symbols that the sandbox makes up, and how often their rows are copied under other names: a million bars.
SYMBOLS, COPIES, TIMES = 20, 9, 9
SOURCES = ("daily_bars", "split_adjusted_bars", "total_return_bars", "segment_of_each_bar")
#: The other way round, as a contender: each bar looks for its segment.
SEGMENT_OF_EACH_BAR = """
CREATE VIEW segment_of_each_bar AS
SELECT bar.symbol, bar.session, round(bar.close_price * segment.total_factor, 10) AS close_price
FROM daily_bars AS bar
LEFT JOIN LATERAL (
    SELECT total_factor FROM adjustment_factors AS segment
    WHERE segment.symbol = bar.symbol AND segment.valid_from <= bar.session
    ORDER BY segment.valid_from DESC LIMIT 1
) AS segment ON true
"""
QUESTIONS = {
    "20 years of one symbol": "SELECT session, close_price FROM {} WHERE symbol = 'SYM1'",
    "its last year": "SELECT session, close_price FROM {} WHERE symbol = 'SYM1' AND session > %(year_ago)s",
    "one session of all symbols": "SELECT symbol, close_price FROM {} WHERE session = %(newest)s",
    "the sum of all bars": "SELECT sum(close_price) FROM {}",
}

_COPIED = {
    "daily_bars": "session, open_price, high_price, low_price, close_price, volume",
    "adjustment_factors": "valid_from, valid_before, split_factor, total_factor",
}

Changed = Mapping[Any, Sequence[tuple[Any, ...]]]


def run(*, quick: bool = False) -> list[Table]:
    """Store twenty years of the sandbox's symbols, compute their factors again, and ask bars and views the same."""
    symbols, copies, times = (3, 1, 2) if quick else (SYMBOLS, COPIES, TIMES)
    with running_servers() as servers, Store(SecretStr(servers.dsn), timeout_s=60) as store:
        stored = [_load(store, f"SYM{number}") for number in range(symbols)]
        progress(f"{symbols} symbols are stored")
        connection = servers.administrate()
        connection.autocommit = True
        with connection.cursor() as cursor:
            bars = _grow(cursor, copies)
            progress(f"{bars:,} bars are stored")
            keeping = [(name, *_refreshed(cursor, changed, times)) for name, changed in _changes(stored)]
            reading = list(_asked(cursor, stored[0][0], times))
        connection.close()
    return [
        Table(f"Reading {bars:,} bars (ms)", ("question", *SOURCES), reading, _READING),
        Table("Keeping the factors (ms)", ("what was saved", "in all", "a symbol"), keeping, _KEEPING),
    ]


def _load(store: Store, name: str) -> tuple[DailyBar, list[CorporateAction]]:
    """Store a symbol's bars, splits and dividends; return its newest bar and its actions."""
    symbol, stock = Symbol(name), Market(7).stock(name)
    bars = [
        DailyBar(symbol, bar.day, _price(bar.open), _price(bar.high), _price(bar.low), _price(bar.close), bar.volume)
        for bar in stock.bars(LAST - SESSIONS + 1, LAST)
    ]
    actions = list(_actions(symbol, stock))
    store.save({daily_bars.TABLE: bars, ACTIONS: actions})
    return bars[-1], actions


def _actions(symbol: Symbol, stock: Stock) -> Iterator[CorporateAction]:
    days = stock.exchange.sessions
    for session, ratio in stock.splits(LAST):
        many, one = ratio_of(f"{ratio:.4f}").as_integer_ratio()
        yield CorporateAction(symbol, "split", days[session], numerator=many, denominator=one)
    for session, ticks in stock.dividends(LAST):
        yield CorporateAction(symbol, "dividend", days[session], amount=_price(ticks))


def _price(ticks: int) -> Decimal:
    return Decimal(ticks) / TICKS


def _changes(stored: Sequence[tuple[DailyBar, list[CorporateAction]]]) -> Iterator[tuple[str, Changed]]:
    """Yield what a save can have changed, and the keys of it."""
    newest = [(bar.symbol, bar.session) for bar, _ in stored]
    *_, most = payers = sorted((actions for _, actions in stored if actions), key=len)
    fewest = payers[0]
    yield "a quote", {}
    yield "the newest bar of one symbol", {daily_bars.TABLE: newest[:1]}
    yield f"the newest bars of {len(newest)} symbols", {daily_bars.TABLE: newest}
    yield f"an action of a symbol with {len(fewest)}", {ACTIONS: [(fewest[0].symbol,)]}
    yield f"an action of a symbol with {len(most)}", {ACTIONS: [(most[0].symbol,)]}
    yield f"all actions of {len(stored)} symbols", {ACTIONS: [(symbol,) for symbol, _ in newest]}


def _refreshed(cursor: Cursor, changed: Changed, times: int) -> tuple[float, float]:
    """Return the milliseconds in all and for each symbol."""
    cursor.execute("BEGIN")
    whole = middle(_timed(lambda: refresh_factors(cursor, changed), times)) * 1000
    cursor.execute("ROLLBACK")
    return whole, whole / max(1, sum(map(len, changed.values())))


def _grow(cursor: Cursor, copies: int) -> int:
    """Copy all rows under other names, symbol by symbol as a load leaves them; return how many bars there are."""
    for table, columns in _COPIED.items():
        cursor.execute(
            f"INSERT INTO {table} (symbol, {columns}) SELECT 'X' || copy || symbol, {columns} "
            f"FROM {table}, generate_series(1, %s) AS copy ORDER BY copy, symbol, 2",
            (copies,),
        )
    cursor.execute(SEGMENT_OF_EACH_BAR)
    cursor.execute("VACUUM ANALYZE")
    cursor.execute("SELECT count(*) FROM daily_bars")
    ((bars,),) = cursor.fetchall()
    return int(bars)


def _asked(cursor: Cursor, newest: DailyBar, times: int) -> Iterator[tuple[str | float, ...]]:
    """Yield each question and the milliseconds of its answers, the sources in turn."""
    values = {"newest": newest.session, "year_ago": newest.session - timedelta(days=365)}

    def ask(question: str, source: str) -> Callable[[], None]:
        def answer() -> None:
            cursor.execute(question.format(source), values)
            cursor.fetchall()

        return answer

    for name, question in QUESTIONS.items():
        seconds = [next(iter(_timed(ask(question, source), 1))) for _ in range(times) for source in SOURCES]
        yield name, *(middle(seconds[place :: len(SOURCES)]) * 1000 for place in range(len(SOURCES)))
        progress(f"{name}: done")


def _timed(work: Callable[[], object], times: int) -> Iterator[float]:
    for _ in range(times):
        begun = time.perf_counter()
        work()
        yield time.perf_counter() - begun


_READING = (
    f"The median of {TIMES} answers, the rows fetched and made Python's; all in memory. The views multiply and round; "
    "segment_of_each_bar is what they would be if each bar looked for its segment."
)
_KEEPING = (
    f"What Store.save does beside storing, for rows that are stored already; the median of {TIMES}. Each symbol has 26 "
    "years of actions and 20 of bars. With actions, all factors are computed and compared with the stored ones."
)
