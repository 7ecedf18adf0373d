"""The API's functions: what a call gets that is neither refused for its key nor for the quota."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Final

from sandbox import payloads, texts, universe
from sandbox.calls import CSV, SERVED, Call, Reply, refuse
from sandbox.market import Bar, Market
from sandbox.payloads import Document, Row
from sandbox.trading_days import latest_session, session_on_or_before, sessions

#: Symbols that no company has. The second one gets ``{}`` from every function.
UNKNOWN_PREFIX: Final = "NOSUCH"
EMPTY_SYMBOL: Final = "NOSUCH-EMPTY"
BULK_SYMBOLS: Final = 100

_SYMBOL: Final = re.compile(r"(?=.*[A-Z0-9])[^\s,_;<>\"\\]{1,32}", re.ASCII)
_CACHED_BODIES: Final = 20_000

Function = Callable[[Call, bool], Reply]


def is_known(symbol: str) -> bool:
    """Whether there are prices for ``symbol``: for any that looks like one and is not reserved."""
    return not symbol.startswith(UNKNOWN_PREFIX) and _SYMBOL.fullmatch(symbol) is not None


class Functions:
    """The functions over the prices of one seed. ``today`` fixes the date; otherwise New York's clock tells it."""

    def __init__(self, seed: int, today: date | None = None) -> None:
        self.market = Market(seed)
        self.today = today
        self._latest = (0.0, 0)
        self._bodies: dict[tuple[object, ...], Reply] = {}
        self._functions: dict[str, Function] = {
            "GLOBAL_QUOTE": self._global_quote,
            "TIME_SERIES_DAILY": self._daily,
            "TIME_SERIES_DAILY_ADJUSTED": self._daily_adjusted,
            "REALTIME_BULK_QUOTES": self._bulk_quotes,
            "LISTING_STATUS": self._listing_status,
            "SYMBOL_SEARCH": self._symbol_search,
        }

    def serve(self, call: Call, *, premium: bool) -> Reply:
        """Answer ``call``; ``premium``: whether the key may use everything."""
        if not (function := self._functions.get(call.function)):
            return refuse("function", texts.unknown_function(call.parameters.get("function", "")))
        return function(call, premium)

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

    def _cached(self, key: tuple[object, ...], build: Callable[[], Reply]) -> Reply:
        session = self.latest()
        if not (reply := self._bodies.get((session, *key))):
            if len(self._bodies) >= _CACHED_BODIES:
                self._bodies.clear()
            reply = self._bodies[session, *key] = build()
        return reply

    def _last_two(self, symbol: str) -> tuple[Bar, Bar]:
        before, last = self.market.stock(symbol).bars(self.latest() - 1, self.latest())
        return last, before

    def _global_quote(self, call: Call, _: bool) -> Reply:
        if not call.symbol:
            return refuse("parameters", texts.invalid_call(call.function))
        if not is_known(call.symbol):
            return self._unknown(call, {"Global Quote": {}})
        delayed = call.parameters.get("entitlement") == "delayed"
        return self._cached(("quote", call.symbol, call.csv, delayed), lambda: self._quote(call, delayed=delayed))

    def _quote(self, call: Call, *, delayed: bool) -> Reply:
        row = payloads.quote_row(call.symbol, *self._last_two(call.symbol))
        return _csv([row]) if call.csv else _json(payloads.global_quote(row, delayed=delayed))

    @staticmethod
    def _unknown(call: Call, document: Mapping[str, object]) -> Reply:
        empty: Mapping[str, object] = {} if call.symbol == EMPTY_SYMBOL else document
        return Reply("refused:symbol", payloads.as_json(empty), document=empty)

    def _daily(self, call: Call, premium: bool) -> Reply:
        if call.parameters.get("outputsize") == "full" and not premium:
            return refuse("premium", texts.information(texts.PREMIUM_OUTPUT_SIZE))
        return self._series(call, adjusted=False)

    def _daily_adjusted(self, call: Call, premium: bool) -> Reply:
        if not premium:
            return refuse("premium", texts.information(texts.PREMIUM_ENDPOINT))
        return self._series(call, adjusted=True)

    def _series(self, call: Call, *, adjusted: bool) -> Reply:
        if not is_known(call.symbol):
            return self._unknown(call, texts.invalid_call(call.function))
        full = call.parameters.get("outputsize") == "full"
        rows = self._series_rows(call.symbol, full=full, adjusted=adjusted)
        if call.csv:
            return _csv(rows)
        return _json(payloads.time_series(call.symbol, rows, full=full, adjusted=adjusted))

    def _series_rows(self, symbol: str, *, full: bool, adjusted: bool) -> list[Row]:
        last = self.latest()
        first = 0 if full else max(0, last - payloads.COMPACT_ROWS + 1)
        bars = self.market.stock(symbol).bars(first, last)
        return payloads.adjusted_rows(bars) if adjusted else payloads.daily_rows(bars)

    def _bulk_quotes(self, call: Call, premium: bool) -> Reply:
        if not premium:
            document = payloads.bulk_quotes([], texts.PREMIUM_ENDPOINT)
            return Reply("refused:premium", payloads.as_json(document), document=document)
        symbols = [symbol.strip() for symbol in call.symbol.split(",") if symbol.strip()][:BULK_SYMBOLS]
        if not symbols:
            return refuse("parameters", texts.invalid_call(call.function))
        known = [symbol for symbol in symbols if is_known(symbol)]
        rows = [payloads.bulk_row(symbol, *self._last_two(symbol)) for symbol in known]
        return _csv(rows) if call.csv and rows else _json(payloads.bulk_quotes(rows))

    def _listing_status(self, call: Call, _: bool) -> Reply:
        state = call.parameters.get("state", "active").lower()
        try:
            on = date.fromisoformat(call.parameters.get("date") or sessions()[self.latest()].isoformat())
        except ValueError:
            return refuse("parameters", texts.invalid_call(call.function))
        if state not in {"active", "delisted"}:
            return refuse("parameters", texts.invalid_call(call.function))
        return Reply(SERVED, payloads.as_csv(universe.listing_rows(on, state)), CSV)

    def _symbol_search(self, call: Call, _: bool) -> Reply:
        if not (keywords := call.parameters.get("keywords", "").strip()):
            return refuse("parameters", texts.invalid_call(call.function))
        rows = universe.search(keywords)
        if call.csv:
            return Reply(SERVED, payloads.as_csv([universe.MATCH_FIELDS, *rows]), CSV)
        names = [f"{number}. {name}" for number, name in enumerate(universe.MATCH_FIELDS, 1)]
        return _json({"bestMatches": [dict(zip(names, row, strict=True)) for row in rows]})


def _json(document: Document) -> Reply:
    return Reply(SERVED, payloads.as_json(document), document=document)


def _csv(rows: list[Row]) -> Reply:
    return Reply(SERVED, payloads.as_csv([tuple(rows[0]), *(tuple(row.values()) for row in rows)]), CSV)
