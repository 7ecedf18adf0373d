"""The list of all symbols, as a person uses it."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.page.browser.filled import HOSTILE, TOTAL

ROWS = "#list tbody tr"
LONG_NAME = ("<b onclick=alert(1)>" + "LongestCompanyName" * 600)[:10_000]
#: Four frames: the browser scrolls, draws, and tells of both.
FRAMES = """async () => {
  for (let frame = 0; frame < 4; frame++) await new Promise((drawn) => requestAnimationFrame(drawn));
}"""
TOO_WIDE = "() => document.documentElement.scrollWidth - innerWidth"


def symbols(page: Page) -> list[str]:
    return page.locator(f"{ROWS} td:first-child a").all_text_contents()


def test_ten_thousand_rows_are_windowed(tab):
    """Only the rows in sight are in the document, at the end of the list too; the table says how many there are."""
    page = tab.open("/")
    expect(page.locator("#list")).to_have_attribute("aria-rowcount", str(TOTAL + 1))
    assert page.locator(ROWS).count() < 60
    page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(ROWS).last).to_have_attribute("aria-rowindex", str(TOTAL + 1))
    assert page.locator(ROWS).count() < 60
    assert symbols(page)[-1] == "XOM"


def test_search_finds_symbol_and_name(tab):
    """The search looks in symbols and names, and says how many fit or what to do where none does."""
    page = tab.open("/")
    page.get_by_label("Search").fill("business mach")
    assert symbols(page) == ["IBM"]
    expect(page.locator("#counts")).to_have_text(f"1 of {TOTAL:,} symbols")
    page.get_by_label("Search").fill("nothing is called so")
    expect(page.locator("#state-of-list")).to_contain_text("No symbol fits")


def test_columns_sort_both_ways(tab):
    """A head sorts by its column, numbers from the largest, then the other way; what has no value stays last."""
    page = tab.open("/")
    head = page.get_by_role("button", name="Volume")
    head.click()
    expect(page.locator(ROWS).first).to_contain_text(re.compile(r"\d,\d{3},\d{3}"))
    expect(page.locator("th", has=head)).to_have_attribute("aria-sort", "descending")
    head.click()
    assert symbols(page)[0] == "S00001"
    page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
    expect(page.locator(ROWS).last).to_contain_text(str(HOSTILE))


def test_filters_narrow_the_list(tab):
    """Exchange, freshness and the last fetch narrow the list, by names that say how many there are."""
    page = tab.open("/")
    page.get_by_label("Exchange").select_option(label="London (1)")
    assert symbols(page) == ["TSCO.LON"]
    expect(page.locator(".late")).to_have_text("4 sessions behind")
    expect(page.locator(f"{ROWS} .unit")).to_have_text("GBX")
    page.get_by_label("Exchange").select_option(label="All")
    page.get_by_label("Last fetch").select_option(label="Failed (2)")
    assert symbols(page) == [str(HOSTILE), "MSFT"]
    page.get_by_label("Freshness").select_option(label="Never stored (1)")
    assert symbols(page) == [str(HOSTILE)]


def test_address_keeps_the_choice(tab):
    """The address holds search, filters and order, and brings them back after Back and after a reload."""
    page = tab.open("/")
    page.get_by_label("Search").fill("company 99")
    page.get_by_role("button", name="Change", exact=True).click()
    chosen = symbols(page)
    page.locator(f"{ROWS} td:nth-child(4)").first.click()
    page.wait_for_url(re.compile("/s/S"))
    page.go_back()
    expect(page.get_by_label("Search")).to_have_value("company 99")
    expect(page.locator(ROWS).first).to_contain_text(chosen[0])
    page.reload()
    expect(page.locator(ROWS).first).to_contain_text(chosen[0])


def test_list_by_keyboard_alone(tab):
    """From the search the arrow keys go through the list beyond what was in sight, and Enter opens a symbol."""
    page = tab.open("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.get_by_label("Search").press("ArrowDown")
    for key in ("ArrowDown", "PageDown", "PageDown", "PageDown", "ArrowUp"):
        page.keyboard.press(key)
    page.keyboard.press("End")
    expect(page.locator(ROWS).last.get_by_role("link")).to_be_focused()
    page.keyboard.press("Home")
    expect(page.locator(ROWS).first.get_by_role("link")).to_be_focused()
    assert page.locator(f'{ROWS} a[tabindex="0"]').count() == 1
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/s/AAPL"))


def test_keyboard_keeps_its_row(tab):
    """Rows that are drawn while the list moves push it no further: the row with the keyboard stays in sight."""
    page = tab.open("/")
    page.get_by_label("Search").press("ArrowDown")
    for _ in range(8):
        page.keyboard.press("PageDown")
        held = page.evaluate("() => document.activeElement.textContent")
        place = page.evaluate("() => scrollY")
        page.evaluate(FRAMES)
        assert page.evaluate("() => [document.activeElement.textContent, scrollY]") == [held, place]


def test_hostile_names_are_text(tab):
    """A symbol or name that looks like markup is shown as it is written, and its page says why it is none."""
    page = tab.open("/")
    expect(page.locator(ROWS).first).to_contain_text(str(HOSTILE))
    page.get_by_label("Search").fill("MSFT")
    expect(page.locator(ROWS).first).to_contain_text('<img src=x onerror="document.title=1">')
    assert page.title() == "Overview · Market"


def test_long_names_are_text(tab, page_of_long_name):
    """A name of ten thousand letters that looks like markup is text, and nothing is wider than the screen for it."""
    page = tab.open("/?q=IBM")
    expect(page.locator(f"{ROWS} .company")).to_have_text(LONG_NAME[:120])
    assert page.evaluate(TOO_WIDE) <= 0
    page = tab.open("/s/IBM")
    expect(page.locator("#name")).to_have_text(LONG_NAME)
    assert page.evaluate(TOO_WIDE) <= 0
    assert page.title() == "IBM · Market"


@pytest.fixture
def page_of_long_name(tab) -> None:
    """No listing of the database is longer than 200, so the answers are changed on their way."""
    tab.page.route("**/api/symbols?*", lambda route: _rename(route, lambda body: body["rows"]))
    tab.page.route("**/api/bars/IBM?*", lambda route: _rename(route, lambda body: [body]))


def _rename(route: Route, rows: Callable[[Any], list[Any]]) -> None:
    answer = route.fetch()
    body = answer.json()
    for row in rows(body):
        if isinstance(row, dict):
            row["name"] = LONG_NAME
        elif row[0] == "IBM":
            row[body["columns"].index("name")] = LONG_NAME
    route.fulfill(response=answer, json=body)


def test_the_file_holds_the_whole_list(tab, tmp_path: Path):
    """The download has a line for each symbol of the list, however many they are."""
    page = tab.open("/")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    download.value.save_as(tmp_path / "symbols.csv")
    rows = list(csv.DictReader((tmp_path / "symbols.csv").open(encoding="utf-8")))
    assert len(rows) == TOTAL
    expect(page.locator("#counts")).not_to_contain_text("More are known")


def test_a_cut_list_says_so(tab):
    """Where more symbols are known than a list holds, a sentence says where list and file end."""
    tab.page.route("**/api/symbols?*", lambda route: route.fulfill(json={**route.fetch().json(), "is_cut": True}))
    expect(tab.open("/").locator("#counts")).to_contain_text("More are known: the list and its file end here")


def test_what_broke_is_asked_again(tab):
    """A request that a changing network breaks is asked again, and the reader sees nothing of it."""
    tab.page.route("**/api/symbols?*", lambda route: route.abort("connectionreset"), times=1)
    page = tab.open("/")
    expect(page.locator("#counts")).to_contain_text(f"{TOTAL:,} symbols")
    expect(page.locator("#notice")).to_be_hidden()
    (problem,) = tab.problems
    assert "ERR_CONNECTION_RESET" in problem
    tab.problems.clear()


def test_a_broken_answer_is_no_fault(tab):
    """A connection that breaks during an answer is one that broke: the page asks again, and says so."""
    tab.page.route("**/api/symbols?*", lambda route: route.fulfill(body='{"total": 3, "ro', content_type="text/html"))
    page = tab.open("/")
    said = "The server cannot be reached. This page asks again every 30 seconds."
    expect(page.get_by_role("alert")).to_have_text(said)


def test_sparklines_for_rows_in_sight(tab):
    """A symbol with bars has the line of its last 90 sessions, fetched for the rows in sight alone."""
    asked = []
    tab.page.on("request", lambda request: asked.append(request.url) if "/api/sparks" in request.url else None)
    page = tab.open("/")
    line = page.locator(ROWS, has_text="AAPL").locator("polyline")
    expect(line).to_have_attribute("points", re.compile(r"([\d.]+,[\d.]+ ?){90}"))
    assert len(asked) == 1
    assert asked[0].count("%2C") < 60


def test_heat_strip_counts_changes(tab):
    """The strip says in words and numbers how many symbols rose and fell."""
    page = tab.open("/")
    expect(page.locator("#heat-text")).to_contain_text("rose")
    numbers = [int(text.replace(",", "")) for text in page.locator("#heat-legend b").all_text_contents()]
    assert sum(numbers) == TOTAL - 1
    assert page.locator("#heat span").count() == sum(number > 0 for number in numbers)
