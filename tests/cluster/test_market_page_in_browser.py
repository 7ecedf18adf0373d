"""The Market page as a person meets it in the cluster's Airflow: in its frame, after its log-in."""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from common.datasets import daily_bars
from tests.cluster.conftest import Running
from tests.cluster.people import Person
from tests.conftest import missing
from tests.support.browser import Complaints, NoChromium, running_chromium
from tests.support.rows import bar
from workers.wiring import Wiring

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]
SCREEN = {"width": 1400, "height": 900}
PAIR = ("PAIR-A", "PAIR-B")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=30_000)  # a busy cluster answers late
    try:
        with running_chromium() as browser:
            yield browser
    except NoChromium as error:
        missing(str(error))


@pytest.fixture(scope="module")
def admin(running: Running) -> Person:
    return Person.admin_of(running)


@pytest.fixture(scope="module")
def history(running: Running) -> None:
    """Bars of two symbols that no run asks for, as the history's run would store them."""
    newest = datetime.now(UTC).date()
    days = [newest - timedelta(days=age) for age in range(60, 0, -1) if (newest - timedelta(days=age)).weekday() < 5]
    rows = [bar(symbol, session=day) for symbol in PAIR for day in days]
    with Wiring(running.cluster.settings) as wiring:
        wiring.store.save({daily_bars.TABLE: rows})


def log_in(page: Page, person: Person, path: str) -> None:
    """Open a path of Airflow's, and fill in the log-in that it leads to."""
    page.goto(f"{person.url}/{path}")
    page.get_by_label("Username").fill(person.name)
    page.get_by_label("Password").fill(person.password)
    page.locator("input[type=submit], button[type=submit]").first.click()


def market(page: Page) -> FrameLocator:
    return page.frame_locator("iframe")


@pytest.mark.parametrize("role", ["Admin", "User", "Viewer"])
def test_each_role_uses_the_page(admin: Person, chromium: Browser, history: None, role: str, tmp_path):
    """From the navigation to a symbol, its mode, a comparison and both files, with no complaint of the browser's."""
    one, other = PAIR
    context = chromium.new_context(viewport=SCREEN)
    page = context.new_page()
    log_in(page, admin.make_one(role), "")
    page.get_by_role("link", name="Market", exact=True).click()
    complaints = Complaints(page, admin.url)
    inside = market(page)
    inside.get_by_label("Search").fill(one)
    inside.locator("#list").get_by_role("link", name=one, exact=True).click()
    inside.get_by_label("Total return").check()
    page.wait_for_url(re.compile(rf"/s/{one}\?.*mode=total"))
    expect(inside.locator("#explained")).to_contain_text("reinvests")
    expect(inside.locator("#chart-text")).to_contain_text(f"{one}, ")
    assert downloaded(page, tmp_path)[0] == ["session", "open", "high", "low", "close", "volume"]
    inside.get_by_label("Compare with", exact=True).fill(other)
    inside.get_by_role("button", name="Add").click()
    expect(inside.locator("#bars-head")).to_have_text(f"Session{one}{other}")
    heading, *lines = downloaded(page, tmp_path)
    assert heading == ["symbol", "session", "percent"]
    assert {line[0] for line in lines} == set(PAIR)
    assert complaints.problems == []
    context.close()


def downloaded(page: Page, folder: Path) -> list[list[str]]:
    """Return the lines of the file that the page's button brings, out of Airflow's frame."""
    with page.expect_download() as download:
        market(page).get_by_role("link", name="Download CSV").click()
    download.value.save_as(folder / "file.csv")
    return list(csv.reader((folder / "file.csv").open(encoding="utf-8")))


def test_from_navigation_to_shared_address(running: Running, admin: Person, chromium: Browser):
    """From the navigation to a symbol, another range, and the same in a fresh profile that has to log in first."""
    running.run(["IBM", "TSCO.LON"])
    context = chromium.new_context(viewport=SCREEN)
    page = context.new_page()
    log_in(page, admin, "")
    page.get_by_role("link", name="Market", exact=True).click()
    complaints = Complaints(page, running.cluster.api.url)
    inside = market(page)
    inside.locator("#list").get_by_role("link", name="IBM", exact=True).click()
    inside.get_by_label("3M", exact=True).check()
    page.wait_for_url(re.compile(r"/plugin/market/market/s/IBM\?range=3m"))
    expect(inside.locator("#freshness")).not_to_be_empty()
    shared = page.url.removeprefix(f"{running.cluster.api.url}/")
    inside.get_by_role("link", name="Operations").click()
    expect(inside.locator("#quota").get_by_role("meter").first).to_be_visible()
    assert complaints.problems == []
    inside.locator("#runs").get_by_role("link").first.click()
    page.wait_for_url(re.compile("/dags/stock_data_pipeline/runs/"))
    context.close()
    other = chromium.new_context().new_page()
    log_in(other, admin, shared)
    expect(market(other).get_by_label("3M", exact=True)).to_be_checked()
    expect(market(other).get_by_role("heading", name="IBM")).to_be_visible()
    other.context.close()
