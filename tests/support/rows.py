"""Values for the store's tests."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from common.datasets import daily_bars, quotes
from common.store import Store
from common.values import DailyBar, Outcome, OutcomeStatus, Quote, Symbol, UpsertCounts

NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
MONDAY = date(2026, 10, 5)
RUN = "scheduled__2026-10-06"


def quote(symbol: str = "IBM", *, day: date = MONDAY, seconds: int = 0, **changes) -> Quote:
    """A quote whose reply arrived ``seconds`` after noon."""
    values = {
        "open_price": Decimal("222.3000"),
        "high_price": Decimal("222.8800"),
        "low_price": Decimal("220.3000"),
        "price": Decimal("221.5800"),
        "volume": 6_318_079,
        "previous_close": Decimal("222.6400"),
        "change_amount": Decimal("-1.0600"),
        "change_percent": Decimal("-0.4761"),
        "data_timestamp": NOON + timedelta(seconds=seconds),
    }
    return Quote(symbol=Symbol(symbol), latest_trading_day=day, **{**values, **changes})


def bar(symbol: str = "IBM", *, session: date = MONDAY, **changes) -> DailyBar:
    values = {
        "open_price": Decimal("222.3"),
        "high_price": Decimal("222.88"),
        "low_price": Decimal("220.3"),
        "close_price": Decimal("221.58"),
        "volume": 6_318_079,
    }
    return DailyBar(symbol=Symbol(symbol), session=session, **{**values, **changes})


def outcome(symbol: str = "IBM", status: OutcomeStatus = OutcomeStatus.STORED, **changes) -> Outcome:
    values = {"run_id": RUN, "reason": str(status), "worker": "worker-1", "api_calls": 1}
    return Outcome(symbol=Symbol(symbol), status=status, **{**values, **changes})


def save_quotes(store: Store, rows: Sequence[Quote], outcomes: Sequence[Outcome] = ()) -> UpsertCounts:
    return store.save({quotes.TABLE: rows}, outcomes)


def save_bars(store: Store, rows: Sequence[DailyBar]) -> UpsertCounts:
    return store.save({daily_bars.TABLE: rows})
