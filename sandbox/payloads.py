"""The documents of the price functions, in the API's own shapes: every value is a string.

Each function returns a plain document; ``as_json`` and ``as_csv`` turn it into bytes.
"""

import json
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

from sandbox.market import TICKS, Bar, adjusted_closes

Document = dict[str, object]
Row = dict[str, str]

DELAYED: Final = " - DATA DELAYED BY 15 MINUTES"
COMPACT_ROWS: Final = 100
_HUNDRED: Final = Decimal(100)
_FOUR: Final = Decimal("0.0001")
#: One bar in so many has a noisy price in the adjusted series.
_NOISY: Final = 100


def as_json(document: object) -> bytes:
    """Return the document as the API writes it: indented by four."""
    return json.dumps(document, indent=4).encode()


def as_csv(rows: Iterable[Sequence[str]]) -> bytes:
    """Return rows as the API writes them: commas, CRLF, no quotes."""
    return "".join(f"{','.join(row)}\r\n" for row in rows).encode()


def price(ticks: int) -> str:
    """Write ticks with four decimals: 2222600 is ``222.2600``."""
    sign = "-" if ticks < 0 else ""
    return f"{sign}{abs(ticks) // TICKS}.{abs(ticks) % TICKS:04d}"


def short_price(ticks: int) -> str:
    """Write ticks as the adjusted series and the bulk quotes do: 2558000 is ``255.8``, 2390000 is ``239.0``."""
    text = price(ticks).rstrip("0")
    return f"{text}0" if text.endswith(".") else text


def change_percent(change: int, before: int) -> str:
    """Return the change in percent of ``before``, four decimals."""
    return str((_HUNDRED * change / before).quantize(_FOUR))


def quote_row(symbol: str, bar: Bar, before: Bar) -> Row:
    """Return the fields of GLOBAL_QUOTE under their CSV names, in order."""
    change = bar.close - before.close
    return {
        "symbol": symbol,
        "open": price(bar.open),
        "high": price(bar.high),
        "low": price(bar.low),
        "price": price(bar.close),
        "volume": str(bar.volume),
        "latestDay": bar.day.isoformat(),
        "previousClose": price(before.close),
        "change": price(change),
        "changePercent": f"{change_percent(change, before.close)}%",
    }


_QUOTE_KEYS: Final = (
    "01. symbol", "02. open", "03. high", "04. low", "05. price", "06. volume", "07. latest trading day",
    "08. previous close", "09. change", "10. change percent",
)  # fmt: skip


def global_quote(row: Row, *, delayed: bool) -> Document:
    """Return the document of GLOBAL_QUOTE."""
    return {f"Global Quote{DELAYED if delayed else ''}": dict(zip(_QUOTE_KEYS, row.values(), strict=True))}


def daily_rows(bars: Sequence[Bar]) -> list[Row]:
    """Return the rows of TIME_SERIES_DAILY under their CSV names, newest first."""
    return [
        {
            "timestamp": bar.day.isoformat(),
            "open": price(bar.open),
            "high": price(bar.high),
            "low": price(bar.low),
            "close": price(bar.close),
            "volume": str(bar.volume),
        }
        for bar in reversed(bars)
    ]


def adjusted_rows(bars: Sequence[Bar]) -> list[Row]:
    """Return the rows of TIME_SERIES_DAILY_ADJUSTED under their CSV names, newest first."""
    return [
        {
            "timestamp": bar.day.isoformat(),
            "open": short_price(bar.open),
            "high": short_price(bar.high),
            "low": _with_noise(bar.low, bar.session),
            "close": short_price(bar.close),
            "adjusted_close": f"{adjusted:.10f}".rstrip("0").ljust(1) if adjusted % 1 else f"{adjusted:.1f}",
            "volume": str(bar.volume),
            "dividend_amount": price(bar.dividend),
            "split_coefficient": str(bar.split),
        }
        for bar, adjusted in zip(reversed(bars), reversed(adjusted_closes(bars)), strict=True)
    ]


def _with_noise(ticks: int, session: int) -> str:
    """Write ticks as the adjusted series does: now and then with the noise of a binary fraction, 236.13099999999997."""
    return short_price(ticks) if session % _NOISY else repr(math.nextafter(ticks / TICKS, 0))


def time_series(symbol: str, rows: Sequence[Row], *, full: bool, adjusted: bool) -> Document:
    """Return the document of TIME_SERIES_DAILY or TIME_SERIES_DAILY_ADJUSTED."""
    what = (
        "Daily Time Series with Splits and Dividend Events"
        if adjusted
        else "Daily Prices (open, high, low, close) and Volumes"
    )
    return {
        "Meta Data": {
            "1. Information": what,
            "2. Symbol": symbol,
            "3. Last Refreshed": rows[0]["timestamp"],
            "4. Output Size": "Full size" if full else "Compact",
            "5. Time Zone": "US/Eastern",
        },
        "Time Series (Daily)": {row["timestamp"]: _numbered(row) for row in rows},
    }


def _numbered(row: Row) -> Row:
    """Number a row's fields as the JSON does: ``1. open``, ``5. adjusted close`` …"""
    names = [name for name in row if name != "timestamp"]
    return {f"{number}. {name.replace('_', ' ')}": row[name] for number, name in enumerate(names, 1)}


def bulk_row(symbol: str, bar: Bar, before: Bar) -> Row:
    """Return one symbol of REALTIME_BULK_QUOTES; after hours it stands a thousandth higher."""
    change = bar.close - before.close
    after_hours = max(1, bar.close // 1000)
    return {
        "symbol": symbol,
        "timestamp": f"{bar.day} 19:59:57.644",
        "open": short_price(bar.open),
        "high": short_price(bar.high),
        "low": short_price(bar.low),
        "close": short_price(bar.close),
        "volume": str(bar.volume),
        "previous_close": short_price(before.close),
        "change": short_price(change),
        "change_percent": change_percent(change, before.close),
        "extended_hours_quote": short_price(bar.close + after_hours),
        "extended_hours_change": short_price(after_hours),
        "extended_hours_change_percent": change_percent(after_hours, bar.close),
    }


def bulk_quotes(rows: Sequence[Row], message: str = "success") -> Document:
    """Return the document of REALTIME_BULK_QUOTES."""
    return {"endpoint": "Realtime Bulk Quotes", "message": message, "data": list(rows)}
