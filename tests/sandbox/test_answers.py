"""What the sandbox answers, without HTTP: the shapes of the payloads, and that they agree."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from sandbox.calls import Answer, Call
from sandbox.functions import Functions
from sandbox.plans import plan_named
from sandbox.provider import Provider
from sandbox.universe import REUSED

FUNCTIONS = Functions(1, date(2026, 10, 5))
KEY = "MARKED-KEY-0123456789"


def provider(plan: str = "unlimited", quota: str = "", **more: Any) -> Provider:
    return Provider(FUNCTIONS, plan_named(plan, quota), **more)


def ask(
    function: str, symbol: str | None = "IBM", *, on: Provider | None = None, now: float = 0, **more: str
) -> Answer:
    parameters = {"function": function, "apikey": KEY} | more | ({} if symbol is None else {"symbol": symbol})
    return (on or provider()).answer(Call.of(parameters), now)


def document(reply: Answer) -> Any:
    found = json.loads(reply.body)
    assert found == reply.document
    return found


def rows(reply: Answer) -> list[list[str]]:
    text = reply.body.decode()
    assert text.endswith("\r\n")
    assert reply.content_type == "application/x-download"
    return [line.split(",") for line in text.removesuffix("\r\n").split("\r\n")]


def test_a_quote_has_the_documented_shape():
    """The keys, their order, four decimals, strings throughout, and the percent sign."""
    quote = document(ask("GLOBAL_QUOTE", "ibm"))["Global Quote"]
    assert list(quote) == [
        "01. symbol",
        "02. open",
        "03. high",
        "04. low",
        "05. price",
        "06. volume",
        "07. latest trading day",
        "08. previous close",
        "09. change",
        "10. change percent",
    ]
    assert quote["01. symbol"] == "IBM"
    assert quote["07. latest trading day"] == "2026-10-05"
    assert all(isinstance(value, str) for value in quote.values())
    assert all(len(quote[key].partition(".")[2]) == 4 for key in list(quote)[1:5])
    change = float(quote["05. price"]) - float(quote["08. previous close"])
    assert float(quote["09. change"]) == pytest.approx(change, abs=1e-9)
    percent = quote["10. change percent"]
    assert percent.endswith("%")
    assert float(percent[:-1]) == pytest.approx(100 * change / float(quote["08. previous close"]), abs=1e-4)


def test_the_change_falls_and_rises():
    """Some symbols lose and some gain, and a loss has its sign."""
    changes = [document(ask("GLOBAL_QUOTE", f"S{number}"))["Global Quote"]["09. change"] for number in range(30)]
    assert 5 < sum(change.startswith("-") for change in changes) < 25


def test_delayed_data_has_another_root():
    """With the entitlement the root key says that the data is delayed."""
    assert list(document(ask("GLOBAL_QUOTE", entitlement="delayed"))) == ["Global Quote - DATA DELAYED BY 15 MINUTES"]


def test_asking_twice_gives_the_same_bytes():
    """Two providers that share nothing but the seed and the day agree to the byte; another seed does not."""
    other = Provider(Functions(1, date(2026, 10, 5)), plan_named("unlimited"))
    another_seed = Provider(Functions(2, date(2026, 10, 5)), plan_named("unlimited"))
    for function in ("GLOBAL_QUOTE", "TIME_SERIES_DAILY", "TIME_SERIES_DAILY_ADJUSTED", "REALTIME_BULK_QUOTES"):
        assert ask(function).body == ask(function, on=other).body != ask(function, on=another_seed).body


@pytest.mark.parametrize("symbol", ["IBM", "TSCO.LON", "BRK-B", "SPLIT7", "^GSPC", "NAN"])
def test_the_functions_agree(symbol):
    """The quote is the series' newest bar with the one before as previous close, and so is the bulk quote."""
    quote = list(document(ask("GLOBAL_QUOTE", symbol))["Global Quote"].values())
    series = document(ask("TIME_SERIES_DAILY", symbol))["Time Series (Daily)"]
    adjusted = document(ask("TIME_SERIES_DAILY_ADJUSTED", symbol))["Time Series (Daily)"]
    (bulk,) = document(ask("REALTIME_BULK_QUOTES", symbol))["data"]
    newest, before = list(series)[:2]
    assert quote[6] == newest
    assert quote[1:6] == list(series[newest].values())
    assert quote[7] == series[before]["4. close"]
    for number, name in enumerate(("open", "high", "low", "close"), 1):
        key = f"{number}. {name}"
        assert float(bulk[name]) == float(series[newest][key])
        prices = [float(bar[key]) for bar in adjusted.values()]  # a few of them with the noise of a binary fraction
        assert prices == pytest.approx([float(bar[key]) for bar in series.values()], abs=1e-9)
    assert float(bulk["previous_close"]) == float(quote[7])
    assert list(adjusted) == list(series)


def test_london_trades_while_new_york_rests():
    """On New York's Labor Day a share of London has a bar, on the August bank holiday it has none; quotes agree."""
    closed = Provider(Functions(1, date(2026, 9, 7)), plan_named("unlimited"))
    for symbol, newest, august in (("IBM", "2026-09-04", True), ("TSCO.LON", "2026-09-07", False)):
        series = document(ask("TIME_SERIES_DAILY", symbol, on=closed))["Time Series (Daily)"]
        assert (next(iter(series)), len(series), "2026-08-31" in series) == (newest, 100, august)
        quote = document(ask("GLOBAL_QUOTE", symbol, on=closed))["Global Quote"]
        assert quote["07. latest trading day"] == newest


def test_a_series_has_the_documented_shape():
    """Meta data, a hundred sessions newest first, five numbered fields."""
    found = document(ask("TIME_SERIES_DAILY"))
    assert found["Meta Data"] == {
        "1. Information": "Daily Prices (open, high, low, close) and Volumes",
        "2. Symbol": "IBM",
        "3. Last Refreshed": "2026-10-05",
        "4. Output Size": "Compact",
        "5. Time Zone": "US/Eastern",
    }
    series = found["Time Series (Daily)"]
    assert len(series) == 100
    assert list(series) == sorted(series, reverse=True)
    assert list(series["2026-10-05"]) == ["1. open", "2. high", "3. low", "4. close", "5. volume"]


def test_adjusted_series_has_documented_shape():
    """Volume is renumbered to make room for the adjusted close; the newest adjusted close is the close itself."""
    found = document(ask("TIME_SERIES_DAILY_ADJUSTED"))["Time Series (Daily)"]["2026-10-05"]
    assert list(found) == [
        "1. open",
        "2. high",
        "3. low",
        "4. close",
        "5. adjusted close",
        "6. volume",
        "7. dividend amount",
        "8. split coefficient",
    ]
    assert float(found["5. adjusted close"]) == float(found["4. close"])
    assert found["8. split coefficient"] == "1.0"


def test_full_series_begins_at_first_session():
    """outputsize=full gives more than twenty years and ends like the compact one."""
    full = document(ask("TIME_SERIES_DAILY", outputsize="full"))
    compact = document(ask("TIME_SERIES_DAILY"))["Time Series (Daily)"]
    assert full["Meta Data"]["4. Output Size"] == "Full size"
    assert list(full["Time Series (Daily)"].items())[:100] == list(compact.items())
    assert list(full["Time Series (Daily)"])[-1] == "1999-11-01"


def test_full_series_is_same_again():
    """It is kept until the next session, and then made again; a fault finds its document."""
    served = Functions(1, date(2026, 10, 5))
    call = Call.of({"function": "TIME_SERIES_DAILY", "symbol": "IBM", "outputsize": "full"})
    first, second = served.serve(call, premium=True), served.serve(call, premium=True)
    assert first == second
    assert next(iter(document(second)["Time Series (Daily)"])) == "2026-10-05"
    served.change_today(date(2026, 10, 6))
    assert next(iter(document(served.serve(call, premium=True))["Time Series (Daily)"])) == "2026-10-06"


def test_bulk_quotes_have_the_documented_shape():
    """A hundred symbols at most, unknown ones left out, no percent sign, a time of day."""
    found = document(ask("REALTIME_BULK_QUOTES", "msft,NOSUCH1,AAPL"))
    assert (found["endpoint"], found["message"]) == ("Realtime Bulk Quotes", "success")
    assert [row["symbol"] for row in found["data"]] == ["MSFT", "AAPL"]
    assert list(found["data"][0]) == [
        "symbol", "timestamp", "open", "high", "low", "close", "volume", "previous_close", "change", "change_percent",
        "extended_hours_quote", "extended_hours_change", "extended_hours_change_percent",
    ]  # fmt: skip
    assert found["data"][0]["timestamp"] == "2026-10-05 19:59:57.644"
    assert "%" not in found["data"][0]["change_percent"]
    many = ",".join(f"S{number}" for number in range(150))
    assert len(document(ask("REALTIME_BULK_QUOTES", many))["data"]) == 100


def test_csv_has_the_documented_headers():
    """CSV lines end with CRLF, and their cells are those of the JSON."""
    quote = document(ask("GLOBAL_QUOTE"))["Global Quote"]
    header, row = rows(ask("GLOBAL_QUOTE", datatype="csv"))
    assert ",".join(header) == "symbol,open,high,low,price,volume,latestDay,previousClose,change,changePercent"
    assert row == list(quote.values())
    header, *lines = rows(ask("TIME_SERIES_DAILY", datatype="csv"))
    series = document(ask("TIME_SERIES_DAILY"))["Time Series (Daily)"]
    assert ",".join(header) == "timestamp,open,high,low,close,volume"
    assert lines == [[day, *bar.values()] for day, bar in series.items()]
    header, *lines = rows(ask("TIME_SERIES_DAILY_ADJUSTED", datatype="csv"))
    assert header[5:] == ["adjusted_close", "volume", "dividend_amount", "split_coefficient"]
    assert len(rows(ask("REALTIME_BULK_QUOTES", "IBM,AAPL", datatype="csv"))) == 3


def listed(**more: str) -> list[list[str]]:
    """Return the lines of a listing that can be read: a few of the active ones cannot."""
    header, *lines = rows(ask("LISTING_STATUS", None, **more))
    return [header, *(line for line in lines if line[0] not in {"BROKEN", "BADDATE"})]


def test_listing_is_as_of_day():
    """Active and delisted companies of a day, the missing date as null, each symbol once but for a reused one."""
    header, *active = listed()
    assert ",".join(header) == "symbol,name,exchange,assetType,ipoDate,delistingDate,status"
    assert {row[5] for row in active} == {"null"}
    assert {row[6] for row in active} == {"Active"}
    assert len({row[0] for row in active}) == len(active) > 7000
    _, *gone = listed(state="delisted")
    assert {row[6] for row in gone} == {"Delisted"}
    assert {row[0] for row in gone} & {row[0] for row in active} == {REUSED}
    _, *early = listed(date="2012-01-03")
    assert all(date.fromisoformat(row[4]) <= date(2012, 1, 3) for row in early)
    last = max(row[5] for row in gone)
    day_before = (date.fromisoformat(last) - timedelta(days=1)).isoformat()
    revived = next(row[0] for row in gone if row[5] == last)
    assert revived in {row[0] for row in listed(date=day_before)}


@pytest.mark.parametrize("more", [{"date": "yesterday"}, {"state": "asleep"}])
def test_listing_with_wrong_parameter_is_refused(more):
    """A date or state that is none is an invalid call, in JSON."""
    assert "Invalid API call" in document(ask("LISTING_STATUS", None, **more))["Error Message"]


def test_a_search_finds_symbols_and_names():
    """The best match comes first; the shape is numbered; no match is an empty list."""
    found = document(ask("SYMBOL_SEARCH", None, keywords="ibm"))["bestMatches"]
    assert found[0]["1. symbol"] == "IBM"
    assert found[0]["9. matchScore"] == "1.0000"
    assert list(found[0])[2:8] == [
        "3. type",
        "4. region",
        "5. marketOpen",
        "6. marketClose",
        "7. timezone",
        "8. currency",
    ]
    tesco = document(ask("SYMBOL_SEARCH", None, keywords="tesco"))["bestMatches"]
    assert [match["1. symbol"] for match in tesco] == ["TSCO.LON"]
    assert document(ask("SYMBOL_SEARCH", None, keywords="qqqqq")) == {"bestMatches": []}
    assert rows(ask("SYMBOL_SEARCH", None, keywords="ibm", datatype="csv"))[1][0] == "IBM"
