"""The Market page in the cluster's Airflow: who sees it, and that nobody changes anything with it."""

from urllib.parse import quote

import pytest
import requests

from local.temporary import wait_until
from tests.cluster.conftest import Running
from tests.cluster.people import Person
from workers.dag_health import DAG_ID

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]
#: One of each kind: the list, a chart, the ledger, Redis, the document, a page.
ADDRESSES = ("api/meta", "api/symbols", "api/runs", "api/quota", "api/openapi.json", "api/docs", "", "operations")
ROLES = ("Viewer", "User", "Op", "Admin")


@pytest.fixture(scope="module")
def admin(running: Running) -> Person:
    return Person.admin_of(running)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_sees_the_page(admin: Person, role: str):
    """The page is in the navigation of each role, and each of its routes answers."""
    person = admin.make_one(role)
    plugins = person.ask("api/v2/plugins").json()["plugins"]
    assert [view["name"] for plugin in plugins for view in plugin["external_views"]] == ["Market"]
    for address in ADDRESSES:
        answer = person.ask(f"market/{address}")
        assert answer.status_code == 200, (address, answer.text)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert person.ask("market/api/meta").json()["user"] == person.name


def test_nobody_changes_anything(admin: Person):
    """Even the admin's POST, PUT, PATCH and DELETE are refused."""
    refused = {admin.ask("market/api/symbols", method).status_code for method in ("POST", "PUT", "PATCH", "DELETE")}
    assert refused == {405}


def test_a_stranger_sees_nothing(admin: Person):
    """Without a login each route answers 401, as a page to people; the scripts and styles are public."""
    stranger = Person(admin.url, requests.Session())
    for address in ADDRESSES:
        assert stranger.ask(f"market/{address}").status_code == 401
    assert "Log in" in stranger.ask("market/").text
    assert stranger.ask("market/static/icon.svg").status_code == 200


def test_the_page_shows_the_run(running: Running, admin: Person):
    """What a run has stored is on the page once the run has ended, with its freshness and its place in Airflow."""
    run_id, _ = running.run(["IBM"])
    listed = admin.ask("market/api/symbols?q=IBM").json()
    (row,) = [row for row in listed["rows"] if row[0] == "IBM"]
    assert row[listed["columns"].index("state")] in {"stored", "unchanged"}
    wait_until(lambda: admin.ask("market/api/meta").json()["exchanges"][0]["expected_session"], "the calendars")
    first = admin.ask("market/api/runs").json()["rows"][0]
    assert (first["run_id"], first["link"]) == (run_id, f"dags/{DAG_ID}/runs/{quote(run_id, safe='')}")
    assert admin.ask("market/api/quota").json()["away"] is None
