"""A symbol's page, as a person uses it."""

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.page.browser.filled import HOSTILE

BARS = "#bars tbody tr"


def test_chart_says_what_it_shows(tab):
    """Beside the picture stand its legend, its marks in words, a sentence, and a table of the same sessions."""
    page = tab.open("/s/IBM?range=1y")
    expect(page.locator("#chart canvas").first).to_be_visible()
    expect(page.locator("#legend")).to_contain_text("Close")
    for mark in ("split", "dividend", "gap: no bar is stored"):
        expect(page.locator("#keys")).to_contain_text(mark)
    expect(page.locator("#chart-text")).to_contain_text(re.compile(r"IBM, 2\d\d sessions from"))
    assert page.locator("#bars").get_attribute("aria-rowcount") == str(_sessions(page) + 1)
    expect(page.locator("#gaps")).to_contain_text("absent: the provider has none")
    expect(page.locator("#freshness")).to_contain_text("Up to date")
    assert page.title() == "IBM · Market"


def _sessions(page) -> int:
    return int(re.search(r"(\d+) sessions", page.locator("#chart-text").text_content())[1])


def test_ranges_change_what_is_shown(tab):
    """A longer range has more sessions, and the address names it."""
    page = tab.open("/s/IBM")
    for label, sessions in (("1M", r"2\d"), ("6M", r"12\d"), ("5Y", "797"), ("All", "797")):
        page.get_by_label(label, exact=True).check()
        page.wait_for_url(re.compile(f"range={label.lower()}"))
        expect(page.locator("#chart-text")).to_contain_text(re.compile(f"IBM, {sessions} sessions from"))


def test_modes_adjust_for_actions(tab):
    """As traded a split is a jump, split-adjusted it is none, and total return says what dividends added."""
    page = tab.open("/s/IBM")
    said = set()
    for label, word in (("As traded", "traded"), ("Split-adjusted", "divided"), ("Total return", "reinvests")):
        page.get_by_label(label).check()
        expect(page.locator("#explained")).to_contain_text(word)
        expect(page.locator("#chart-text")).to_contain_text("sessions from")
        said.add(page.locator("#chart-text").text_content())
    assert len(said) == 3
    page = tab.open("/s/TSCO.LON?mode=split")
    expect(page.locator("#where")).to_contain_text("London")
    expect(page.locator("#freshness")).to_contain_text("Behind: the newest bar is of")


def test_compares_up_to_four(tab):
    """Symbols are compared in percent from a common day; a fifth is refused with a sentence, one can go again."""
    page = tab.open("/s/IBM?vs=MSFT")
    expect(page.locator("#chart-text")).to_contain_text("Change in percent since")
    for symbol in ("aapl", "TSCO.LON", "NEW"):
        page.get_by_label("Compare with", exact=True).fill(symbol)
        page.keyboard.press("Enter")
    expect(page.locator("#explained")).to_contain_text("At most 4 symbols")
    page.wait_for_url(re.compile("vs=MSFT%2CAAPL%2CTSCO.LON"))
    expect(page.locator("#bars-head")).to_have_text("SessionIBMMSFTAAPLTSCO.LON")
    page.get_by_role("button", name="Remove MSFT from the comparison").click()
    expect(page.locator("#bars-head")).to_have_text("SessionIBMAAPLTSCO.LON")


def test_address_survives_reload_and_back(tab):
    """The address holds symbol, range, mode and comparison: a reload, Back, and another profile show the same."""
    page = tab.open("/s/IBM")
    page.get_by_label("3M", exact=True).check()
    page.get_by_label("Split-adjusted").check()
    page.wait_for_url(re.compile(r"/s/IBM\?range=3m&mode=split"))
    page.get_by_role("link", name="Operations").click()
    page.go_back()
    expect(page.get_by_label("3M", exact=True)).to_be_checked()
    page.reload()
    expect(page.get_by_label("Split-adjusted")).to_be_checked()
    expect(page.locator("#chart-text")).to_contain_text(re.compile(r"IBM, 6\d sessions"))


def test_csv_holds_the_table(tab, tmp_path: Path):
    """The download is the range and mode in sight, a line a session."""
    page = tab.open("/s/IBM?range=3m")
    expect(page.locator("#chart-text")).to_contain_text("sessions")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    download.value.save_as(tmp_path / "bars.csv")
    rows = list(csv.DictReader((tmp_path / "bars.csv").open(encoding="utf-8")))
    assert len(rows) == _sessions(page)
    assert list(rows[0]) == ["session", "open", "high", "low", "close", "volume"]


def test_symbol_page_by_keyboard_alone(tab):
    """Range, mode, comparison and the table beneath are reached by Tab and changed by the arrow keys."""
    page = tab.open("/s/IBM")
    page.get_by_label("1Y", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile("range=5y"))
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.wait_for_url(re.compile("mode=split"))
    page.keyboard.press("Tab")
    page.keyboard.type("MSFT")
    page.keyboard.press("Enter")
    expect(page.locator("#chips")).to_contain_text("MSFT")
    expect(page.locator("#chart-text")).to_contain_text("Change in percent")
    for _ in range(4):
        page.keyboard.press("Tab")
    expect(page.locator("#scroller")).to_be_focused()


def test_unknown_symbol_says_what_next(tab):
    """A symbol that nothing is known of gets a sentence and a way back, and so does a text that can be none."""
    page = tab.open("/s/NOPE")
    expect(page.locator("#state-of-chart")).to_contain_text("Nothing is known of NOPE")
    page.get_by_role("link", name="Back to the overview").click()
    expect(page.locator("#list tbody tr").first).to_be_visible()
    page.locator("#list").get_by_role("link", name=str(HOSTILE)).click()
    expect(page.get_by_role("heading")).to_have_text("This is no symbol")
    expect(page.locator("#main")).to_contain_text("is not a stock symbol")
    page.get_by_role("link", name="To the overview").click()
    assert all("Failed to load resource" in problem for problem in tab.problems)
    tab.problems.clear()


def test_symbol_without_bars_says_so(tab):
    """A symbol whose history has not come has its quote, and a sentence on what brings the rest."""
    page = tab.open("/s/NEW?range=1m")
    expect(page.locator("#quote")).to_contain_text("221.58")
    page = tab.open("/s/S00001?range=1m")
    expect(page.locator("#quote")).to_contain_text("95.00")


@pytest.mark.parametrize("context", [{"viewport": {"width": 380, "height": 800}}], indirect=True)
@pytest.mark.parametrize("path", ["/", "/s/IBM", "/operations"])
def test_nothing_overflows_a_phone(tab, path):
    """On a phone's width nothing is wider than the screen."""
    page = tab.open(path)
    page.wait_for_load_state("networkidle")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 380
