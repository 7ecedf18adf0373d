"""What holds on every page: themes, colours, language, zone, the log-in, and what a screen reader meets."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

PAGES = ("/", "/s/IBM", "/s/IBM?vs=MSFT", "/operations")
DARK = {"color_scheme": "dark"}


@pytest.mark.parametrize("context", [{"color_scheme": "light"}, DARK], indirect=True, ids=["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious(tab, path):
    """Neither theme has a fault that keeps a screen reader, a keyboard or a weak eye out."""
    page = tab.open(path)
    if path == "/":
        expect(page.locator("#list polyline").first).to_be_visible()  # else they come while axe looks
    found = Axe().run(page).response["violations"]
    serious = [fault for fault in found if fault["impact"] in ("serious", "critical")]
    assert [(fault["id"], [node["html"] for node in fault["nodes"]]) for fault in serious] == []


@pytest.mark.parametrize("context", [DARK], indirect=True)
def test_theme_follows_the_choice(tab):
    """Alone the theme is the system's, until Airflow has remembered another one in this browser."""
    page = tab.open("/")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.evaluate("() => localStorage.setItem('theme', 'light')")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_red_can_mean_up(tab):
    """Where red means up the colours change at once, and stay so; the sign and the shape never change."""
    page = tab.open("/s/NEW")
    colour = "() => getComputedStyle(document.documentElement).getPropertyValue('--up')"
    before = page.evaluate(colour)
    page.get_by_label("Red means up").check()
    assert page.evaluate(colour) != before
    tab.reload()
    expect(page.get_by_label("Red means up")).to_be_checked()
    expect(page.locator("#quote .down")).to_have_text("▼-1.06 (-0.48%)")


@pytest.mark.parametrize("context", [{"locale": "de-DE"}], indirect=True)
def test_numbers_in_the_readers_language(tab):
    """Numbers and days are written as the reader's language has them, and times name the zone that Airflow chose."""
    page = tab.open("/")
    expect(page.locator("#counts")).to_contain_text("10.042")
    page.evaluate("() => localStorage.setItem('timezone', JSON.stringify('Asia/Tokyo'))")
    page.reload()
    expect(page.locator("#zone")).to_contain_text("Asia/Tokyo")
    expect(page.locator("#asof")).to_contain_text("GMT+9")


def test_invented_data_is_said(tab):
    """A banner says that the sandbox's prices are no real ones, on each page."""
    for path in PAGES:
        expect(tab.open(path).locator("#banner")).to_contain_text("Invented data.")


def test_expired_login_says_what_next(tab):
    """When the log-in expires, what was shown stays, and a sentence says what to do; then it goes on by itself."""
    page = tab.open("/")
    tab.site.login.expired = True
    again = "() => document.dispatchEvent(new Event('visibilitychange'))"
    page.evaluate(again)
    expect(page.get_by_role("alert")).to_contain_text("Your log-in has expired.")
    expect(page.locator("#list tbody tr").first).to_be_visible()
    tab.site.login.expired = False
    page.evaluate(again)
    expect(page.locator("#notice")).to_be_hidden()
    assert all("401" in problem for problem in tab.problems)
    tab.problems.clear()


def test_a_refresh_asks_for_changes_only(tab):
    """A page that is looked at again asks with the ETag that it has, and what has not changed is not sent."""
    page = tab.open("/")
    with page.expect_response(lambda answer: "/api/symbols" in answer.url) as answer:
        page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    assert answer.value.status == 304


def test_makers_of_the_chart_are_named(tab):
    """The page that shows a chart names the makers of the chart library and links to them."""
    page = tab.open("/s/IBM")
    expect(page.get_by_role("link", name="www.tradingview.com")).to_have_attribute(
        "href", "https://www.tradingview.com/"
    )
