"""Quotes and bars: one statement for any number, and no row touched without need."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import RowRefused
from common.values import OutcomeStatus, Symbol, UpsertCounts
from tests.support.rows import MONDAY, NOON, RUN, bar, outcome, quote, save_bars, save_quotes

HIGHER = Decimal("222.0000")


def test_quote_is_stored_as_it_came(store, market):
    """Every column holds the quote's value, the largest volume and a twelve-letter symbol included."""
    saved = quote("RELIANCE.BSE", volume=2**63 - 1, price=Decimal("99999999999999.999999"))
    assert save_quotes(store, [saved]) == UpsertCounts(inserted=1)
    assert store.quotes() == [saved]
    assert market.violations() == []


def test_tickers_that_tools_mangle_survive(store):
    """A ticker that reads like a missing value or a number comes back as the same text."""
    symbols = ["NULL", "NA", "TRUE", "NAN", "INF", "BRK-B", "BRK.B", "^GSPC", "600104.SHH"]
    save_quotes(store, [quote(symbol) for symbol in symbols])
    assert store.latest_sessions([Symbol(symbol) for symbol in symbols]) == dict.fromkeys(symbols, MONDAY)
    assert [one.symbol for one in store.quotes()] == sorted(symbols)


def test_the_same_values_touch_no_row(store, market):
    """A quote fetched again leaves the very same tuple: not rewritten, not even locked, no number used up."""
    tuples = "SELECT ctid::text, xmin::text, xmax::text, data_timestamp, updated_at FROM stock_quotes"
    save_quotes(store, [quote()])
    before = market.query(tuples)
    again = quote(seconds=60, price=Decimal("221.58000000"))
    assert save_quotes(store, [again]) == UpsertCounts(unchanged=1)
    assert market.query(tuples) == before
    assert market.query("SELECT last_value FROM pg_sequences WHERE sequencename LIKE 'stock_quotes%'") == [(1,)]


def test_new_values_change_the_row(store, market):
    """A later reply with another price replaces the row's values and keeps its id and its birth."""
    save_quotes(store, [quote()])
    before = market.query("SELECT id, created_at FROM stock_quotes")
    changed = quote(seconds=1, price=HIGHER)
    assert save_quotes(store, [changed]) == UpsertCounts(updated=1)
    assert store.quotes() == [changed]
    assert market.query("SELECT id, created_at FROM stock_quotes") == before


def test_a_late_arrival_does_not_overwrite(store, market):
    """A reply that is older than the stored one changes nothing and locks nothing, whenever it comes."""
    newer = quote(seconds=10, price=HIGHER)
    save_quotes(store, [newer])
    before = market.query("SELECT ctid::text, xmin::text, xmax::text FROM stock_quotes")
    assert save_quotes(store, [quote(seconds=9)]) == UpsertCounts(unchanged=1)
    assert store.quotes() == [newer]
    assert market.query("SELECT ctid::text, xmin::text, xmax::text FROM stock_quotes") == before


@pytest.mark.parametrize("order", [1, -1])
def test_same_key_twice_in_one_call(store, order):
    """Of two quotes of one key in one call the latest reply counts, whatever their order."""
    pair = [quote(), quote(seconds=5, price=HIGHER)][::order]
    assert save_quotes(store, pair) == UpsertCounts(inserted=1)
    assert store.quotes()[0].price == HIGHER


def test_counts_are_exact_in_mixed_batch(store):
    """One call tells inserted, updated and unchanged apart."""
    save_quotes(store, [quote("AAPL"), quote("IBM")])
    batch = [quote("MSFT"), quote("AAPL", seconds=1, price=HIGHER), quote("IBM", seconds=1), quote("IBM", seconds=1)]
    assert save_quotes(store, batch) == UpsertCounts(inserted=1, updated=1, unchanged=1)


FINAL = 21 * 3600  # seconds after noon


@pytest.mark.parametrize("seconds", [60, FINAL - 1])
def test_a_snapshot_that_is_behind(store, caplog, seconds):
    """Until its day is final a reply with less volume is an older one, though it came later; with more it is newer."""
    save_quotes(store, [quote(volume=2000)])
    assert save_quotes(store, [quote(volume=1999, price=HIGHER, seconds=seconds)]) == UpsertCounts(unchanged=1)
    assert save_quotes(store, [quote("A", volume=2000), quote("A", volume=1, seconds=9)]) == UpsertCounts(inserted=1)
    assert {one.volume for one in store.quotes()} == {2000}
    assert save_quotes(store, [quote(volume=2001, seconds=seconds)]) == UpsertCounts(updated=1)
    assert "final" not in caplog.text


def test_last_word_of_final_day(store, caplog):
    """Once the day is final the last reply counts, whatever its volume, and what it changed is logged."""
    caplog.set_level("INFO", "common.store")
    save_quotes(store, [quote(volume=2000), quote("A", volume=2000)])
    final = [quote(volume=1500, price=HIGHER, seconds=FINAL), quote("A", volume=2000, seconds=FINAL)]
    assert save_quotes(store, final) == UpsertCounts(updated=1, unchanged=1)
    assert store.quotes([Symbol("IBM")])[0].volume == 1500
    said = f"IBM: the final values of {MONDAY} changed: price 221.58 -> {HIGHER.normalize():f}, volume 2000 -> 1500"
    assert [record.message for record in caplog.records] == [said]


def test_nothing_to_save(store):
    """An empty call is no error and counts nothing."""
    assert save_quotes(store, []) == UpsertCounts()
    assert save_bars(store, []) == UpsertCounts()
    store.ledger.record_outcomes([])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.lists(
            st.builds(
                lambda symbol, day, price, seconds: quote(
                    symbol, day=MONDAY + timedelta(day), price=Decimal(price), seconds=seconds
                ),
                st.sampled_from(["A", "B-B", "NULL"]),
                st.integers(0, 1),
                st.sampled_from(["1", "1.000001", "2"]),
                st.integers(0, 3),
            ),
            max_size=6,
        ),
        max_size=5,
    )
)
def test_batches_agree_with_a_dictionary(store, market, batches):
    """Rows and counts agree with a dictionary that keeps the latest reply of each key, after each batch."""
    market.query("TRUNCATE stock_quotes")
    model = {}
    for batch in batches:
        counts = {"inserted": 0, "updated": 0, "unchanged": 0}
        newest = {}
        for one in sorted(batch, key=lambda one: one.data_timestamp):
            newest[one.symbol, one.latest_trading_day] = one
        for key, one in newest.items():
            known = model.get(key)
            late = known and known.data_timestamp > one.data_timestamp
            change = "unchanged" if late or (known and known.price == one.price) else "updated"
            change = change if known else "inserted"
            counts[change] += 1
            if change != "unchanged":
                model[key] = one
        assert save_quotes(store, batch) == UpsertCounts(**counts)
        rows = market.query("SELECT symbol, latest_trading_day, price, data_timestamp FROM stock_quotes")
        assert {(symbol, day): (price, at) for symbol, day, price, at in rows} == {
            key: (one.price, one.data_timestamp) for key, one in model.items()
        }
    assert market.violations() == []


def test_quotes_and_ledger_are_one_transaction(store, market):
    """A row that the table refuses takes the whole call with it: the other quotes and the ledger lines too."""
    with pytest.raises(RowRefused) as refused:
        save_quotes(store, [quote("AAPL"), quote("IBM", price=Decimal("NaN"))], [outcome("AAPL"), outcome("IBM")])
    assert refused.value.constraint == "stock_quotes_price"
    assert store.quotes() == []
    assert store.ledger.outcomes(RUN) == []
    assert save_quotes(store, [quote("AAPL")], [outcome("AAPL")]) == UpsertCounts(inserted=1)
    assert market.violations() == []


@pytest.mark.parametrize(
    ("first", "then", "reason"),
    [
        (quote(), None, "inserted"),
        (quote(), quote(seconds=1, price=HIGHER), "updated"),
        (quote(), quote(), "unchanged"),
    ],
)
def test_ledger_says_what_became_of_row(store, first, then, reason):
    """The reason of a stored symbol is the change of its row."""
    if then:
        save_quotes(store, [first])
    save_quotes(store, [then or first], [outcome()])
    assert [line.reason for line in store.ledger.outcomes(RUN)] == [reason]


def test_other_outcomes_keep_their_reason(store):
    """What is saved beside a quote about a symbol that is not stored stays as it was written."""
    failed = outcome("AAPL", OutcomeStatus.FAILED, reason="network")
    save_quotes(store, [quote()], [outcome(), failed])
    assert [line.reason for line in store.ledger.outcomes(RUN)] == ["network", "inserted"]


def test_table_refuses_what_is_no_price(store):
    """NaN, Infinity, a negative and an oversized number are refused in each price column."""
    for column in ("open_price", "high_price", "low_price", "price", "previous_close"):
        for number in ("NaN", "Infinity", "-Infinity", "-0.000001", "100000000000000"):
            with pytest.raises(RowRefused):
                save_quotes(store, [quote(**{column: Decimal(number)})])
    assert store.quotes() == []


def test_the_table_refuses_impossible_rows(store):
    """No price, high below low, an impossible volume and a change that is no number are refused."""
    impossible = (
        {"price": Decimal(0)},
        {"low_price": Decimal("222.8801")},
        {"volume": -1},
        {"volume": 2**63},
        {"change_amount": Decimal("NaN")},
        {"change_percent": Decimal("NaN")},
    )
    for changes in impossible:
        with pytest.raises(RowRefused, match="refuses a row"):
            save_quotes(store, [quote(**changes)])
    assert store.quotes() == []


@pytest.mark.parametrize("table", ["stock_quotes", "daily_bars"])
def test_tables_refuse_not_number_to_everybody(store, market, table):
    """Also a person with psql cannot put NaN into any numeric column."""
    save_quotes(store, [quote()])
    save_bars(store, [bar(adjusted_close=Decimal(1), dividend_amount=Decimal(0), split_coefficient=Decimal(1))])
    columns = market.query(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND data_type = 'numeric'", table
    )
    assert len(columns) == 7
    for (column,) in columns:
        with pytest.raises(Exception, match="violates check constraint"):
            market.query(f"UPDATE {table} SET {column} = 'NaN'")


def test_a_time_without_zone_is_refused(store):
    """A naive time is a defect of the caller and reaches no table."""
    with pytest.raises(TypeError, match="no time zone"):
        save_quotes(store, [quote(data_timestamp=datetime(2026, 10, 5, 12))])  # noqa: DTZ001  the point


def test_unstorable_text_is_refused(store, market):
    """Half a surrogate pair where nobody looked for one is an error of ours that says so, and stores nothing."""
    with pytest.raises(RowRefused, match="cannot be sent"):
        store.ledger.record_outcomes([outcome(run_id="run\ud800")])
    assert market.query("SELECT count(*) FROM fetch_outcomes") == [(0,)]


def test_ten_thousand_quotes_are_one_statement(store, market):
    """A large batch is stored, and stored again without a change."""
    batch = [quote(f"S{number}") for number in range(10_000)]
    assert save_quotes(store, batch) == UpsertCounts(inserted=10_000)
    assert save_quotes(store, batch[::-1]) == UpsertCounts(unchanged=10_000)
    assert len(store.latest_sessions([one.symbol for one in batch])) == 10_000
    assert market.query("SELECT count(DISTINCT xmin::text) FROM stock_quotes") == [(1,)]


def test_latest_sessions_and_newest_quotes(store):
    """The newest day of each symbol is found; symbols that have no row are left out."""
    friday = date(2026, 10, 2)
    save_quotes(store, [quote("AAPL", day=friday), quote("AAPL"), quote("IBM", day=friday)])
    asked = [Symbol("AAPL"), Symbol("IBM"), Symbol("NONE"), Symbol("AAPL")]
    assert store.latest_sessions(asked) == {"AAPL": MONDAY, "IBM": friday}
    assert [(one.symbol, one.latest_trading_day) for one in store.quotes()] == [("AAPL", MONDAY), ("IBM", friday)]
    assert [one.symbol for one in store.quotes(asked[1:3])] == ["IBM"]
    assert [one.symbol for one in store.quotes(limit=1)] == ["AAPL"]
    assert store.quotes([]) == []
    assert store.latest_sessions([]) == {}


def test_the_views_for_people(store, market):
    """latest_quotes has each symbol's newest row and no other, price_history the bars as they are stored."""
    assert market.query("SELECT * FROM latest_quotes") == []
    friday = date(2026, 10, 2)
    save_quotes(store, [quote("AAPL", day=friday), quote("AAPL"), quote("IBM", day=friday), quote("^X-1")])
    newest = market.query("SELECT symbol, latest_trading_day, price FROM latest_quotes")
    price = quote().price
    assert sorted(newest) == [("AAPL", MONDAY, price), ("IBM", friday, price), ("^X-1", MONDAY, price)]
    save_bars(store, [bar()])
    one = bar()
    stored = (one.symbol, one.session, one.open_price, one.high_price, one.low_price, one.close_price, one.volume)
    assert market.query("SELECT * FROM price_history") == [stored]


def test_bars_are_upserted(store, market):
    """Bars are inserted, changed and left alone, with exact counts; of the same session the last one counts."""
    tuesday = bar(session=date(2026, 10, 6))
    assert save_bars(store, [bar(volume=1), bar(), tuesday]) == UpsertCounts(inserted=2)
    before = market.query("SELECT ctid::text, xmin::text, xmax::text FROM daily_bars")
    assert save_bars(store, [bar(), tuesday]) == UpsertCounts(unchanged=2)
    assert market.query("SELECT ctid::text, xmin::text, xmax::text FROM daily_bars") == before
    assert save_bars(store, [bar(volume=7), tuesday]) == UpsertCounts(updated=1, unchanged=1)
    assert market.query("SELECT volume FROM daily_bars WHERE session = %s", MONDAY) == [(7,)]
    assert market.violations() == []


def test_raw_series_keeps_adjusted_values(store, market):
    """A bar without adjusted values keeps those that are known, and changes nothing if the rest is equal."""
    adjusted = {"adjusted_close": Decimal(110), "dividend_amount": Decimal("1.68"), "split_coefficient": Decimal(2)}
    save_bars(store, [bar(**adjusted)])
    assert save_bars(store, [bar()]) == UpsertCounts(unchanged=1)
    assert save_bars(store, [bar(volume=7)]) == UpsertCounts(updated=1)
    columns = "SELECT volume, adjusted_close, dividend_amount, split_coefficient FROM daily_bars"
    assert market.query(columns) == [(7, *adjusted.values())]


def test_times_are_the_reply_s(store, market):
    """The stored time is the reply's, whatever zone the session or the server has."""
    save_quotes(store, [quote()])
    assert market.query("SELECT data_timestamp = %s FROM stock_quotes", NOON) == [(True,)]
