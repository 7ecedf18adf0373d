"""The page Operations, as a person uses it."""

from playwright.sync_api import expect

from tests.page.browser.filled import CALLS


def test_runs_open_to_their_symbols(tab):
    """A run says how its symbols ended; its button shows each of them with the reason, as text."""
    page = tab.open("/operations")
    run = page.locator("#runs tbody tr").first
    expect(run).to_contain_text("failed")
    run.get_by_role("button", name="Symbols of the run").click()
    expect(page.locator(".outcomes:visible")).to_contain_text('"><script>')
    expect(run.get_by_role("button")).to_have_attribute("aria-expanded", "true")
    page.get_by_text("What the columns mean").click()
    expect(page.locator("#runs dl")).to_contain_text("the quota did not reach it")


def test_without_airflow_nothing_leads_there(tab):
    """Where the page runs without Airflow no sentence promises a link to it, and no run is one."""
    page = tab.open("/operations")
    expect(page.get_by_role("region", name="The last 30 runs")).to_contain_text("What became of each run's symbols.")
    assert page.get_by_text("leads to it in Airflow").count() == 0
    assert page.locator("#runs").get_by_role("link").count() == 0


def test_quarantine_is_text_and_command(tab):
    """A refused reply has its reason, the command that replays it, and its markup as text."""
    page = tab.open("/operations")
    refused = page.locator("#quarantine .reply")
    expect(refused).to_contain_text("it starts with <html>.")
    expect(refused.locator("code")).to_have_text("python -m workers quarantine replay 1")
    refused.get_by_text("What was received").click()
    expect(refused.locator("pre")).to_contain_text("<html><script>")
    assert page.title() == "Operations · Market"


def test_a_failed_part_fails_alone(tab):
    """Where one part cannot be had its place says so, and the others are there."""
    tab.page.route("**/api/runs?*", lambda route: route.abort())
    page = tab.open("/operations")
    expect(page.locator("#runs")).to_contain_text("The server cannot be reached.")
    expect(page.locator("#findings")).to_contain_text("The close of IBM fell")
    expect(page.locator("#workers")).to_contain_text("worker-1")
    assert all("ERR_FAILED" in problem for problem in tab.problems)
    tab.problems.clear()


def test_quota_is_metered(tab, used_quota):
    """Each window says how many calls are used of how many, to the eye and to a screen reader."""
    page = tab.open("/operations")
    minute = page.get_by_role("meter", name="In one minute")
    expect(minute).to_have_attribute("aria-valuetext", f"{CALLS} of 75 calls used")
    expect(page.locator("#quota")).to_contain_text(f"{75 - CALLS} calls left")
    expect(page.locator("#quota h3")).to_have_text(f"Calls in each of the last 24 hours: {CALLS} in all")


def test_unknown_use_is_said(tab):
    """Where the limiter cannot say what is used, the page says that, and shows no quota that looks unused."""
    page = tab.open("/operations")
    expect(page.locator("#quota")).to_contain_text("What is used now is not known")
    assert page.locator("[role=meter]").count() == 0
