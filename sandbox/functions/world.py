"""What every function of the API answers from: the prices of one seed, the latest session, and replies made before."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Final

from sandbox import payloads
from sandbox.calls import CSV, SERVED, Answer, Call
from sandbox.market import Bar, Market
from sandbox.payloads import Document, Row
from sandbox.trading_days import latest_session, session_on_or_before

#: Symbols that no company has. The second one gets ``{}`` from every function.
UNKNOWN_PREFIX: Final = "NOSUCH"
EMPTY_SYMBOL: Final = "NOSUCH-EMPTY"

_SYMBOL: Final = re.compile(r"(?=.*[A-Z0-9])[^\s,_;<>\"\\]{1,32}", re.ASCII)
_CACHED_BODIES: Final = 20_000


def is_known(symbol: str) -> bool:
    """Whether there are prices for ``symbol``: for any that looks like one and is not reserved."""
    return not symbol.startswith(UNKNOWN_PREFIX) and _SYMBOL.fullmatch(symbol) is not None


class World:
    """The prices of one seed. ``today`` fixes the date; otherwise New York's clock tells it."""

    def __init__(self, seed: int, today: date | None = None) -> None:
        self.market = Market(seed)
        self.today = today
        self._latest = (0.0, 0)
        self._bodies: dict[tuple[object, ...], Answer] = {}

    def change_today(self, today: date | None) -> None:
        """Go on at another date, or (None) at New York's."""
        self.today = today
        self._latest = (0.0, 0)
        self._bodies.clear()

    def latest(self) -> int:
        """Return the number of the latest complete session; looked up once a second."""
        moment = datetime.now(UTC)
        stamp, session = self._latest
        if not session or moment.timestamp() - stamp >= 1:
            session = session_on_or_before(self.today) if self.today else latest_session(moment)
            if session != self._latest[1]:
                self._bodies.clear()
            self._latest = moment.timestamp(), session
        return session

    def cached(self, key: tuple[object, ...], build: Callable[[], Answer]) -> Answer:
        """Return the reply that was built for ``key`` in this session, or build it."""
        session = self.latest()
        if not (reply := self._bodies.get((session, *key))):
            if len(self._bodies) >= _CACHED_BODIES:
                self._bodies.clear()
            reply = self._bodies[session, *key] = build()
        return reply

    def last_two(self, symbol: str) -> tuple[Bar, Bar]:
        """Return the bars of the latest session and of the one before."""
        before, last = self.market.stock(symbol).bars(self.latest() - 1, self.latest())
        return last, before


def unknown(call: Call, document: Mapping[str, object]) -> Answer:
    """Answer for a symbol without data: as the function does, or with an empty object."""
    empty: Mapping[str, object] = {} if call.symbol == EMPTY_SYMBOL else document
    return Answer("refused:symbol", payloads.as_json(empty), document=empty)


def json_answer(document: Document) -> Answer:
    """Serve a document."""
    return Answer(SERVED, payloads.as_json(document), document=document)


def csv_reply(rows: list[Row]) -> Answer:
    """Serve rows under the names of the first one."""
    return Answer(SERVED, payloads.as_csv([tuple(rows[0]), *(tuple(row.values()) for row in rows)]), CSV)
