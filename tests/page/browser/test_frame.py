"""The page in a frame like Airflow's: what it takes from the page around it, and how it leads out."""

import re
from urllib.parse import quote

from playwright.sync_api import FrameLocator, expect


def framed(tab, path: str) -> FrameLocator:
    tab.page.goto(f"{tab.site.url}/plugin/market/market/{path}")
    inside = tab.page.frame_locator("iframe")
    expect(inside.locator("#asof")).not_to_be_empty()
    return inside


def test_theme_and_language_of_the_frame(tab):
    """Theme and language are those of the page around it, at once and whenever its theme changes."""
    inside = framed(tab, "")
    expect(inside.locator("html")).to_have_attribute("data-theme", "dark")
    tab.page.evaluate("() => { document.documentElement.className = 'light' }")
    expect(inside.locator("html")).to_have_attribute("data-theme", "light")
    expect(inside.locator("#counts")).to_contain_text("10.042")


def test_bar_shows_what_is_chosen(tab):
    """The bar around the frame has symbol, range and mode, and a reload shows the same."""
    inside = framed(tab, "s/IBM")
    inside.get_by_label("3M", exact=True).check()
    tab.page.wait_for_url(re.compile(r"/plugin/market/market/s/IBM\?range=3m"))
    tab.page.reload()
    expect(inside.get_by_label("3M", exact=True)).to_be_checked()


def test_log_in_leads_back(tab):
    """After the log-in has expired, a link leads out of the frame to Airflow's log-in, and from there back here."""
    inside = framed(tab, "s/IBM?range=3m")
    tab.site.login.expired = True
    inside.get_by_label("6M", exact=True).check()
    expect(inside.get_by_role("alert")).to_contain_text("This page will be as you left it.")
    tab.site.login.expired = False
    inside.get_by_role("link", name="Log in again").click()
    here = quote(f"{tab.site.url}/plugin/market/market/s/IBM?range=6m", safe="")
    tab.page.wait_for_url(re.compile(re.escape(f"/api/v2/auth/login?next={here}")))
    assert all("401" in problem for problem in tab.problems)
    tab.problems.clear()


def test_a_run_leads_to_airflow(tab):
    """A run's time is a link out of the frame, to Airflow's own page of the run."""
    inside = framed(tab, "operations")
    expect(inside.get_by_text("The time of a run leads to it in Airflow.")).to_be_visible()
    inside.locator("#runs").get_by_role("link").first.click()
    tab.page.wait_for_url(re.compile("/dags/stock_data_pipeline/runs/scheduled__2"))


def test_a_symbol_opens_in_the_frame(tab):
    """A symbol of the list opens in the frame, the bar names it, and Back returns to the list."""
    inside = framed(tab, "?q=business")
    inside.locator("#list").get_by_role("link", name="IBM").click()
    expect(inside.locator("#chart-text")).to_contain_text("sessions from")
    tab.page.wait_for_url(re.compile("/plugin/market/market/s/IBM"))
    tab.page.go_back()
    expect(inside.get_by_label("Search")).to_have_value("business")
