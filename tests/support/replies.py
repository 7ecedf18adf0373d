"""Sound replies to start from, and how to make a ``Reply`` of a document."""

import copy
import json
from datetime import UTC, datetime

from common.values import Reply

#: When the replies of the tests arrive.
RECEIVED_AT = datetime(2026, 10, 6, 2, 0, tzinfo=UTC)

QUOTE = {
    "01. symbol": "IBM",
    "02. open": "222.3000",
    "03. high": "222.8800",
    "04. low": "220.3000",
    "05. price": "221.5800",
    "06. volume": "6318079",
    "07. latest trading day": "2026-10-05",
    "08. previous close": "222.6400",
    "09. change": "-1.0600",
    "10. change percent": "-0.4761%",
}
BULK_ROW = {
    "symbol": "MSTR",
    "timestamp": "2024-10-30 19:59:57.644",
    "open": "246.21",
    "high": "255.8",
    "low": "239.0",
    "close": "247.31",
    "volume": "20592520",
    "previous_close": "258.24",
    "change": "-10.93",
    "change_percent": "-4.2325",
    "extended_hours_quote": "242.9",
    "extended_hours_change": "-4.41",
    "extended_hours_change_percent": "-1.78319",
}
BAR = {
    "1. open": "222.3000",
    "2. high": "222.8800",
    "3. low": "220.3000",
    "4. close": "221.5800",
    "5. volume": "6318079",
}
ADJUSTED_BAR = {
    "1. open": "222.3",
    "2. high": "222.88",
    "3. low": "220.3",
    "4. close": "221.58",
    "5. adjusted close": "219.904166783",
    "6. volume": "6318079",
    "7. dividend amount": "0.0000",
    "8. split coefficient": "1.0",
}


def quote_document(**changes: object) -> dict[str, object]:
    """Return a GLOBAL_QUOTE document; ``price="1"`` changes ``05. price``, None takes the field away."""
    return {"Global Quote": changed(QUOTE, changes)}


def bulk_document(*rows: object) -> dict[str, object]:
    return {"endpoint": "Realtime Bulk Quotes", "message": "success", "data": list(rows)}


def series_document(series: object, *, symbol: object = "IBM", refreshed: str = "2026-10-05") -> dict[str, object]:
    meta = {
        "1. Information": "Daily Prices (open, high, low, close) and Volumes",
        "2. Symbol": symbol,
        "3. Last Refreshed": refreshed,
        "4. Output Size": "Compact",
        "5. Time Zone": "US/Eastern",
    }
    return {"Meta Data": meta, "Time Series (Daily)": series}


def changed(row: dict[str, str], changes: dict[str, object]) -> dict[str, object]:
    """Return the row with fields changed by their bare names (``latest_trading_day`` is ``07. latest trading day``)."""
    names = {name.partition(". ")[2].replace(" ", "_") or name: name for name in row}
    result: dict[str, object] = copy.deepcopy(dict(row))
    for bare, value in changes.items():
        if value is None:
            del result[names[bare]]
        else:
            result[names[bare]] = value
    return result


def reply_of(document: dict[str, object], text: str | None = None) -> Reply:
    return Reply(document, json.dumps(document, default=str) if text is None else text, RECEIVED_AT, 0.1)
