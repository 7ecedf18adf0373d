"""What the sandbox lists of splits and dividends is what its series show."""

import json
from datetime import date
from typing import Any

import pytest

from sandbox.calls import Call
from sandbox.functions import Functions
from sandbox.functions.dividends import DECLARED_BEFORE
from sandbox.trading_days import NEW_YORK
from sandbox.universe import REUSED

WORLD = Functions(1, date(2026, 10, 5))


def ask(function: str, symbol: str = "IBM", **more: str) -> Any:
    reply = WORLD.serve(Call.of({"function": function, "symbol": symbol} | more), premium=True)
    return reply.body.decode() if more else json.loads(reply.body)


def bars(symbol: str) -> dict[str, dict[str, str]]:
    document = WORLD.serve(
        Call.of({"function": "TIME_SERIES_DAILY_ADJUSTED", "symbol": symbol, "outputsize": "full"}), premium=True
    ).document
    return document["Time Series (Daily)"]  # type: ignore[index,call-overload,no-any-return]


@pytest.mark.parametrize("symbol", ["SPLIT7", "SPINOFF1", "MSFT"])
def test_splits_are_the_series_coefficients(symbol: str):
    """Each split of the list stands in the adjusted series on its day, and no other does."""
    listed = {row["effective_date"]: float(row["split_factor"]) for row in ask("SPLITS", symbol)["data"]}
    shown = {day: float(bar["8. split coefficient"]) for day, bar in bars(symbol).items()}
    assert listed == {day: factor for day, factor in shown.items() if factor != 1}


@pytest.mark.parametrize("symbol", ["MSFT", "IBM", "AAPL"])
def test_dividends_are_the_series_amounts(symbol: str):
    """Up to the newest session, each dividend of the list stands in the adjusted series, and no other does."""
    newest = NEW_YORK.sessions[WORLD.latest()].isoformat()
    rows = ask("DIVIDENDS", symbol)["data"]
    listed = {row["ex_dividend_date"]: float(row["amount"]) for row in rows if row["ex_dividend_date"] <= newest}
    shown = {day: float(bar["7. dividend amount"]) for day, bar in bars(symbol).items()}
    assert listed == {day: amount for day, amount in shown.items() if amount}


def test_old_dividends_have_no_other_dates():
    """Newest first; of old ones only the ex-date is known, and a declared one may still be to come."""
    payers = [rows for number in range(80) if (rows := ask("DIVIDENDS", f"PAY{number}")["data"])]
    for rows in payers:
        assert [row["ex_dividend_date"] for row in rows] == sorted((r["ex_dividend_date"] for r in rows), reverse=True)
        assert rows[-1]["declaration_date"] == rows[-1]["payment_date"] == "None"
    newest, horizon = (NEW_YORK.sessions[WORLD.latest() + ahead].isoformat() for ahead in (0, DECLARED_BEFORE))
    assert any(newest < rows[0]["ex_dividend_date"] <= horizon for rows in payers)


def test_symbol_without_actions_has_empty_lists():
    """So has one that nobody knows: the provider tells them apart by nothing."""
    assert ask("SPLITS", "NOSUCH1") == {"symbol": "NOSUCH1", "data": []}
    assert ask("DIVIDENDS", "NOSUCH1") == {"symbol": "NOSUCH1", "data": []}
    assert "Invalid API call" in ask("SPLITS", "")["Error Message"]


def test_lists_come_as_csv_too():
    """The header names the fields of the JSON."""
    assert ask("SPLITS", "SPLIT7", datatype="csv").startswith("effective_date,split_factor\r\n")
    header = "ex_dividend_date,declaration_date,record_date,payment_date,amount\r\n"
    assert ask("DIVIDENDS", "MSFT", datatype="csv").startswith(header)


def test_listing_is_dirty_like_real_ones():
    """Test issues, names of blanks, spellings of units, lines that are none, and a ticker that had another owner."""
    active = WORLD.serve(Call.of({"function": "LISTING_STATUS"}), premium=True).body.decode().splitlines()
    gone = WORLD.serve(Call.of({"function": "LISTING_STATUS", "state": "delisted"}), premium=True).body.decode()
    cells = {line.split(",")[0]: line.split(",") for line in active}
    assert {"ZVZZT", "CBO", "ACWV:BAT", "-P-HIZ", "NXT(EXP20091224)", "NAN"} <= cells.keys()
    assert (cells["ACWV:BAT"][1], cells["-P-HIZ"][1].strip()) == ("", "")
    assert len(cells["BROKEN"]) == 2
    assert f"\n{REUSED},Ultimate" in gone
    assert cells[REUSED][1].startswith("Ultra")
