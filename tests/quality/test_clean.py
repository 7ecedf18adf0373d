"""The checks are silent on what is sound: 100,000 bars of the sandbox, and quotes that were recorded."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from operator import attrgetter
from pathlib import Path

import pytest

from common.datasets import corporate_actions
from common.quality import FindingFilter, all_checks
from common.store import Store
from common.values import Quote, Symbol
from sandbox.market import TICKS, Market, adjusted_closes
from tests.support.actions import listed_actions
from tests.support.market import Market as Database
from tests.support.rows import save_quotes

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

#: Two of them split often; the others have the splits and dividends that companies have.
SYMBOLS = [*(f"CLEAN{number}" for number in range(16)), "SPLITA", "SPLITB", "CLEANA.LON", "CLEANB.LON"]
SESSIONS = 5_000
MARKET = Market(7)
RECORDED = Path(__file__).resolve().parents[1] / "contract" / "quotes.txt"
DAY_OF = attrgetter("latest_trading_day")


def lines(symbol: str, first: int, last: int) -> Iterator[str]:
    """A symbol's bars with the provider's adjusted closes, as COPY takes them."""
    bars = MARKET.stock(symbol).bars(first, last)
    for each, adjusted in zip(bars, adjusted_closes(bars), strict=True):
        prices = "\t".join(str(Decimal(ticks) / TICKS) for ticks in (each.open, each.high, each.low, each.close))
        yield f"{symbol}\t{each.day}\t{prices}\t{each.volume}\t{adjusted:.6f}\n"


def fill(store: Store, market: Database) -> int:
    """Store the bars and actions of every symbol up to a session of 2026; return how many bars."""
    session = market.connect(market.dsn())
    count = 0
    for symbol in SYMBOLS:
        last = MARKET.stock(symbol).exchange.session_on_or_before(datetime(2026, 10, 5, tzinfo=UTC).date())
        columns = "symbol, session, open_price, high_price, low_price, close_price, volume, adjusted_close"
        text = "".join(lines(symbol, last - SESSIONS + 1, last))
        count += text.count("\n")
        with session.cursor() as cursor:
            cursor.copy_expert(f"COPY daily_bars ({columns}) FROM STDIN", StringIO(text))
        store.save({corporate_actions.ACTIONS: list(listed_actions(MARKET.stock(symbol), Symbol(symbol), last))})
    session.close()
    return count


def test_clean_bars_are_silent(store: Store, market: Database):
    """Each check looks at 100,000 sound bars with their splits and dividends, and finds nothing."""
    assert fill(store, market) == 100_000
    assert market.query("SELECT count(*) > 300 FROM corporate_actions WHERE kind = 'split'") == [(True,)]
    counts = store.quality.check_changed(datetime(2026, 10, 6, tzinfo=UTC))
    assert [(each.check_name, each.symbol, each.message) for each in store.findings.list(FindingFilter(), 5000)] == []
    assert (counts.symbols, counts.waiting) == (len(SYMBOLS), 0)
    assert counts.seconds.keys() == {check.name for check in all_checks()}


def test_recorded_quotes_are_silent(store: Store):
    """Quotes that were recorded, each looked at in the night after its day, are sound."""
    recorded = sorted(filter(None, map(read_quote, RECORDED.read_text("utf-8").splitlines())), key=DAY_OF)
    for each in recorded:
        save_quotes(store, [each])
        counts = store.quality.check_changed(each.data_timestamp)
        assert (counts.symbols, counts.waiting) == (1, 0)
    assert len(recorded) == 26
    assert store.findings.list(FindingFilter(), 20) == []


def read_quote(line: str) -> Quote | None:
    if line.startswith("#"):
        return None
    symbol, *prices, volume, day, before, change, percent = line.split()
    opened, high, low, price = map(Decimal, prices)
    night = datetime.fromisoformat(day).replace(hour=23, minute=59, tzinfo=UTC)
    rest = (Decimal(before), Decimal(change), Decimal(percent.rstrip("%")), night)
    return Quote(Symbol(symbol), opened, high, low, price, int(volume), night.date(), *rest)
