"""The Market page as a person meets it in the cluster's Airflow: in its frame, after its log-in."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, expect

from local.cluster import ADMIN
from tests.cluster.conftest import Running
from tests.conftest import missing
from tests.support.browser import Complaints, NoChromium, running_chromium

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    try:
        with running_chromium() as browser:
            yield browser
    except NoChromium as error:
        missing(str(error))


def log_in(page: Page, running: Running, path: str) -> None:
    """Open a path of Airflow's, and fill in the log-in that it leads to."""
    page.goto(f"{running.cluster.api.url}/{path}")
    page.get_by_label("Username").fill(ADMIN)
    page.get_by_label("Password").fill(running.cluster.state.secrets()["airflow_admin"])
    page.locator("input[type=submit], button[type=submit]").first.click()


def market(page: Page) -> FrameLocator:
    return page.frame_locator("iframe")


def test_from_navigation_to_shared_address(running: Running, chromium: Browser):
    """From the navigation to a symbol, another range, and the same in a fresh profile that has to log in first."""
    running.run(["IBM", "TSCO.LON"])
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    log_in(page, running, "")
    page.get_by_role("link", name="Market").click()
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
    log_in(other, running, shared)
    expect(market(other).get_by_label("3M", exact=True)).to_be_checked()
    expect(market(other).get_by_role("heading", name="IBM")).to_be_visible()
    other.context.close()
