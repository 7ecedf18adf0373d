"""A series judged many rows at once beside the same series judged row by row: not a digit and not a word differs."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.datasets.daily_bars import bars_from_reply
from common.datasets.plain_bars import plain_bars
from common.values import Symbol
from tests.support.replies import ADJUSTED_BAR, BAR, reply_of, series_document

IBM = Symbol("IBM")
MONDAY = "2026-10-05"
#: The day after the replies of the tests arrive.
LATEST = date(2026, 10, 7)
PRICES = tuple(BAR)[:4]
QUIET = dict(zip(BAR, ("5.0000", "5.0000", "5.0000", "5.0000", "0"), strict=True))
#: At each edge of what is plain and beyond it, within the range of BAR and out of it.
VALUES = (
    "0", "0.0000", "-0.0001", "007", "99999999999999.999999", "100000000000000", "100000000000000.1", "221.580001",
    "221.5800001", "221.58000000000001", "0221.5800", "999999999999999999", "9223372036854775807",
    "9223372036854775808", "", "-", "None", "221.", ".5", "2e2", "NaN", "22_1", " 221", "221 ", "+221",
    "22\N{ARABIC-INDIC DIGIT ONE}", "221\n", "\n221", "221\t221", f"1\n{MONDAY}\t1\t1\t1\t1\t1", None, True, 221, 221.5,
    Decimal(221), [], {},
)  # fmt: skip
DAYS = (
    "1899-12-31", "1900-01-01", "2026-10-07", "2026-10-08", "2026-02-29", "2026-1-1", "20261005", "2026-W41-1", "",
    "2026-10-05\n", "2026-10-05\t1", "\N{ARABIC-INDIC DIGIT TWO}026-10-05",
)  # fmt: skip


def spoiled(row: dict[str, str]) -> Iterator[object]:
    """Yield the row with one thing changed, in every way, so that nothing else can make it odd."""
    ticks = [Decimal(row[price]) + Decimal(tick) / 10_000 for price in PRICES for tick in range(-2, 3)]
    for name, text in row.items():
        kept = {each: row[each] for each in row if each != name}
        yield from (row | {name: value} for value in (*VALUES, *map(str, ticks)))
        yield from (kept, kept | {"another": text}, row | {"another": "1"}, row | {"5. adjusted close": "1"})
    yield from VALUES


def judged(series: dict[str, object], refreshed: str = MONDAY) -> str:
    """Return all that is said of the series: the repr tells 1.0 from 1.00."""
    return repr(bars_from_reply(IBM, reply_of(series_document(series, refreshed=refreshed))))


def marked(series: dict[str, object]) -> dict[str, object]:
    """Return the same series with a field in each row that no plain row has, and no judge looks at."""
    return {name: row | {"9. mark": ""} if isinstance(row, dict) else row for name, row in series.items()}


@pytest.mark.parametrize("row", [BAR, QUIET, ADJUSTED_BAR], ids=["traded", "quiet", "adjusted"])
def test_the_same_verdict_on_a_row(row: dict[str, str]):
    """Whatever is spoiled, bars, reasons and their words are those of the exact judge."""
    for odd in spoiled(row):
        for series in ({MONDAY: odd}, {"2026-10-02": BAR, MONDAY: odd}):
            assert judged(series) == judged(marked(series))


@pytest.mark.parametrize("name", DAYS)
def test_the_same_verdict_on_a_day(name: str):
    """A session that cannot be, or is still open, is refused as the exact judge refuses it."""
    for refreshed in (MONDAY, "2026-10-05 13:25:00", f"{name} 13:25:00", ""):
        for series in ({name: BAR}, {"2026-10-02": BAR, name: BAR, MONDAY: BAR}):
            assert judged(series, refreshed) == judged(marked(series), refreshed)


@st.composite
def sound_rows(draw: st.DrawFn) -> dict[str, str]:
    ticks = sorted(draw(st.tuples(*[st.integers(1, 10**12)] * 4)))
    low, opened, closed, high = (f"{units / 10_000:.4f}" for units in ticks)
    opened, closed = draw(st.sampled_from([(opened, closed), (closed, opened)]))
    return dict(zip(BAR, (opened, high, low, closed, str(draw(st.integers(0, 10**18 - 1)))), strict=True))


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.dates(date(1900, 1, 1), LATEST).map(str), sound_rows(), min_size=1, max_size=120))
def test_what_the_provider_sends_is_plain(rows: dict[str, dict[str, str]]):
    """Whatever the provider can say of sessions with a trade is judged at once, as the exact judge does."""
    series: dict[str, object] = {**rows}
    assert plain_bars(IBM, list(series.items()), LATEST)
    assert not plain_bars(IBM, list(marked(series).items()), LATEST)
    assert judged(series) == judged(marked(series))


def test_one_odd_row_among_many():
    """An odd row in the middle of a history is refused alone; all others are kept, in their order."""
    days = [(date(2026, 10, 5) - timedelta(days=back)).isoformat() for back in range(1000)]
    series: dict[str, object] = dict.fromkeys(days, BAR) | {days[500]: BAR | {"4. close": "None"}}
    bars, (rejection,) = bars_from_reply(IBM, reply_of(series_document(series)))
    assert [bar.session.isoformat() for bar in bars] == days[:500] + days[501:]
    assert rejection.message.startswith(f"'{days[500]}'")
