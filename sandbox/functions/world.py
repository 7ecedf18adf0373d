"""What every function of the API answers from: the prices of one seed, the latest session, and replies made before."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar

from sandbox import payloads
from sandbox.calls import CSV, SERVED, Answer, Call
from sandbox.market import Bar, Market
from sandbox.payloads import Document, Row
from sandbox.trading_days import NEW_YORK, Exchange, exchange_of

T = TypeVar("T")

#: Symbols that no company has. The second one gets ``{}`` from every function.
UNKNOWN_PREFIX: Final = "NOSUCH"
EMPTY_SYMBOL: Final = "NOSUCH-EMPTY"

_SYMBOL: Final = re.compile(r"(?=.*[A-Z0-9])[^\s,_;<>\"\\]{1,32}", re.ASCII)
_MOST_KEPT: Final = 20_000


def is_known(symbol: str) -> bool:
    """Whether there are prices for ``symbol``: for any that looks like one and is not reserved."""
    return not symbol.startswith(UNKNOWN_PREFIX) and _SYMBOL.fullmatch(symbol) is not None


class World:
    """The prices of one seed. ``today`` fixes the date; otherwise each exchange's clock tells it."""

    def __init__(self, seed: int, today: date | None = None) -> None:
        self.market = Market(seed)
        self.today = today
        self._latest: dict[Exchange, tuple[float, int]] = {}
        self._kept: defaultdict[object, dict[tuple[object, ...], Any]] = defaultdict(dict)

    def change_today(self, today: date | None) -> None:
        """Go on at another date, or (None) at the exchanges' own."""
        self.today = today
        self._latest.clear()
        self._kept.clear()

    def latest(self, exchange: Exchange = NEW_YORK) -> int:
        """Return the number of the exchange's latest complete session; looked up once a second."""
        moment = datetime.now(UTC)
        stamp, before = self._latest.get(exchange, (0.0, 0))
        if before and moment.timestamp() - stamp < 1:
            return before
        session = exchange.session_on_or_before(self.today) if self.today else exchange.latest_session(moment)
        if session != before:
            self._kept.clear()
        self._latest[exchange] = moment.timestamp(), session
        return session

    def cached(self, symbol: str, key: tuple[object, ...], build: Callable[[], T], most: int = _MOST_KEPT) -> T:
        """Return what was built for the symbol and ``key`` in this session, or build it; keep ``most`` of a kind.

        The first part of the key is the kind.
        """
        session = self.latest(exchange_of(symbol))
        kept: dict[tuple[object, ...], T] = self._kept[key[0]]
        if (session, symbol, *key) not in kept:
            if len(kept) >= most:
                kept.clear()
            kept[session, symbol, *key] = build()
        return kept[session, symbol, *key]

    def last_two(self, symbol: str) -> tuple[Bar, Bar]:
        """Return the bars of the latest session and of the one before."""
        stock = self.market.stock(symbol)
        session = self.latest(stock.exchange)
        before, last = stock.bars(session - 1, session)
        return last, before


def unknown(call: Call, document: Mapping[str, object]) -> Answer:
    """Answer for a symbol without data: as the function does, or with an empty object."""
    empty: Mapping[str, object] = {} if call.symbol == EMPTY_SYMBOL else document
    return Answer("refused:symbol", payloads.as_json(empty))


def json_answer(document: Document) -> Answer:
    """Serve a document."""
    return Answer(SERVED, payloads.as_json(document))


def csv_reply(rows: list[Row]) -> Answer:
    """Serve rows under the names of the first one."""
    return Answer(SERVED, payloads.as_csv([tuple(rows[0]), *(tuple(row.values()) for row in rows)]), CSV)
