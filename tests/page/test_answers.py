"""What every answer keeps to: names for what has not changed, bounds, sentences, and CSV that says the same."""

import csv
import json
import re
import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from fastapi import HTTPException
from fastapi.routing import APIRoute
from pydantic import SecretStr
from starlette.testclient import TestClient

from common.datasets.corporate_actions import ACTIONS
from plugins.market import answers, overview
from plugins.market.answers import Answer, Answers
from plugins.market.reader import Reader
from plugins.market.web import create_app
from tests.page.conftest import get
from tests.support.actions import split
from tests.support.rows import MONDAY, bar, outcome, quote, save_bars, save_quotes

LISTS = {
    "/api/symbols": "limit=2",
    "/api/compare": "symbols=IBM,AAPL",
    "/api/runs": "",
    "/api/workers": "",
    "/api/gaps": "",
    "/api/findings": "",
    "/api/quarantine": "",
}
#: A file of those that hold more than one table has the rows of this one.
PARTS = {"/api/meta": "exchanges", "/api/quota": "windows"}


@pytest.fixture
def stored(store, market):
    """Two symbols with bars and a run."""
    save_bars(store, [bar("IBM"), bar("AAPL", close_price=Decimal("221.123456"))])
    save_quotes(store, [quote("IBM")], [outcome("IBM")])
    market.query("INSERT INTO bar_gaps VALUES ('IBM', '2026-10-01', '2026-10-02', 2, 'open', 0, NULL, now())")


def test_what_has_not_changed(browser, stored):
    """An ETag that is sent back is answered with 304 and no body, until something has changed."""
    first = browser.get("/api/symbols")
    again = browser.get("/api/symbols", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert first.headers["cache-control"] == "private, no-cache"


def test_a_change_is_seen(browser, store, stored):
    """What a run stores is in the next answer."""
    before = get(browser, "/api/symbols")["total"]
    save_quotes(store, [quote("MSFT")], [outcome("MSFT")])
    assert get(browser, "/api/symbols")["total"] == before + 1


@pytest.mark.parametrize(("address", "query"), LISTS.items())
def test_csv_says_the_same(browser, stored, address, query):
    """The file has the rows of the JSON answer, value for value."""
    document = json.loads(browser.get(f"{address}?{query}").text, parse_float=str)
    file = browser.get(f"{address}.csv?{query}")
    assert file.headers["content-type"].startswith("text/csv")
    heading, *lines = csv.reader(file.text.splitlines())
    assert len(heading) > 2
    if "series" in document:
        rows = [[s["symbol"], *pair] for s in document["series"] for pair in zip(s["t"], s["percent"], strict=True)]
    else:
        rows = [[row[name] for name in heading] if isinstance(row, dict) else row for row in document["rows"]]
    assert [[shown(value) for value in row] for row in rows] == lines


@pytest.mark.parametrize(("address", "part"), PARTS.items())
def test_csv_of_a_part(browser, stored, limiter, address, part):
    """Where an answer is more than one table the file has the rows of its list."""
    rows = json.loads(browser.get(address).text, parse_float=str)[part]
    heading, *lines = csv.reader(browser.get(f"{address}.csv").text.splitlines())
    assert len(rows) > 0
    assert [[shown(row[name]) for name in heading] for row in rows] == lines


def test_csv_of_small_charts(browser, store):
    """A line a symbol and session, with the closes of the JSON answer, in today's shares."""
    friday, monday = MONDAY - timedelta(days=3), MONDAY
    save_bars(store, [bar("IBM", session=friday), bar("IBM"), bar("AAPL", close_price=Decimal("221.123456"))])
    store.save({ACTIONS: [split(monday, 2)]})
    closes = {
        symbol: spark["closes"] for symbol, spark in get(browser, "/api/sparks", symbols="IBM,AAPL")["sparks"].items()
    }
    assert browser.get("/api/sparks.csv?symbols=IBM,AAPL").text.splitlines() == [
        "symbol,session,close",
        f"AAPL,{monday},221.123456",
        f"IBM,{friday},110.79",
        f"IBM,{monday},221.58",
    ]
    assert closes == {"AAPL": [221.123456], "IBM": [110.79, 221.58]}


def test_no_file_without_redis(browser, page, own):
    """A file of no window would look like no quota: it is refused with the sentence that the JSON answer has."""
    page.quota = type(page.quota)(SecretStr(own.server.url()), page.quota.quota, key_digest=page.key_digest)
    own.client.flushall()
    refused = browser.get("/api/quota.csv")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert refused.json()["detail"] == get(browser, "/api/quota")["away"]


def test_a_file_holds_all_symbols(browser, store, monkeypatch):
    """A file is not cut at the size of a page; where more are known than a list holds, the answer says so."""
    save_quotes(store, [quote(f"A{number}") for number in range(600)])
    assert len(browser.get("/api/symbols.csv").text.splitlines()) == 601
    assert get(browser, "/api/symbols")["is_cut"] is False
    monkeypatch.setattr(overview, "_MOST_SYMBOLS", 100)
    save_quotes(store, [quote("B")], [outcome("B")])
    listed = get(browser, "/api/symbols")
    assert (listed["total"], listed["is_cut"]) == (100, True)


def test_nobody_gets_anothers_name(page, monkeypatch):
    """Where answers are kept although something has changed, each person's facts are their own."""
    monkeypatch.setattr(answers, "_CHEAP_S", -1)
    monkeypatch.setattr(answers, "_PAUSES", 10**9)
    names = ("Ada", "Bob", None)
    people = [TestClient(create_app(page, lambda name=name: name, in_airflow=False)) for name in names]
    assert tuple(get(person, "/api/meta")["user"] for person in people) == names


def shown(value: object) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def test_the_file_of_a_chart(browser, stored):
    """The bars as the chart has them, exact to the last digit."""
    file = browser.get("/api/bars/AAPL.csv").text.splitlines()
    assert file == ["session,open,high,low,close,volume", "2026-10-05,222.3,222.88,220.3,221.123456,6318079"]


def test_head_is_answered(browser, stored):
    """HEAD gets the headers of GET and no body; whatever changes something is refused."""
    head = browser.head("/api/symbols")
    assert (head.status_code, head.content, head.headers["etag"]) == (
        200,
        b"",
        browser.get("/api/symbols").headers["etag"],
    )
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert browser.request(method, "/api/symbols").status_code == 405


def test_every_route_only_reads(page):
    """No route takes anything but GET."""
    app = create_app(page, lambda: None, in_airflow=True)
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    assert len(routes) > 20
    assert {method for route in routes for method in route.methods} == {"GET"}


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/api/bars/%22%3E%3Cscript%3E", 400, "is not a stock symbol"),
        ("/api/bars/" + "A" * 10_000, 422, "symbol='AAAA"),
        ("/api/bars/NOPE", 404, "Nothing is known of NOPE"),
        ("/api/symbols?limit=10001", 422, "limit='10001' cannot be used"),
        ("/api/symbols?q=" + "x" * 10_000, 422, "at most 64"),
        ("/api/symbols?exchnage=XNYS", 422, "exchnage"),
        ("/api/sparks?symbols=" + ",".join(f"A{n}" for n in range(201)), 400, "201 symbols are too many"),
        ("/api/compare?symbols=A,B,C,D,E", 400, "5 symbols are too many"),
        ("/api/quarantine/0", 422, "number"),
        ("/api/nothing", 404, "Not Found"),
    ],
)
def test_a_bad_question_is_explained(browser, address, status, said):
    """One sentence that names the value, and never a page of ours that shows it as anything but text."""
    answer = browser.get(address)
    assert answer.status_code == status
    assert said in answer.json()["detail"]
    assert len(answer.content) < 1000


def test_errors_of_a_page(browser):
    """A page that cannot be shown is a page that says why; what was asked for stands there as text."""
    answer = browser.get("/s/%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert "<script>alert" not in answer.text
    assert browser.get("/nowhere").status_code == 404


def test_the_database_is_away(page, browser):
    """With PostgreSQL away the answer is 503 with a sentence that tells no address and no password."""
    page.reader = Reader(SecretStr("postgresql://market_reader:geheim@127.0.0.1:9/market"))
    answer = browser.get("/api/symbols")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "does not answer" in answer.json()["detail"]
    assert "127.0.0.1" not in answer.text
    assert "geheim" not in answer.text


def test_one_computes_for_all():
    """Of many who ask for the same at the same time, one computes it; each gets it."""
    kept, begun, made = Answers(), threading.Barrier(8), []

    def ask() -> None:
        begun.wait()
        got.append(kept.get("a", 1, make))

    def make() -> Answer:
        made.append(1)
        threading.Event().wait(0.05)
        return Answer.of(b"x" * 5000, "text/plain")

    got: list[Answer] = []
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(got), len(made)) == (8, 1)


def test_kept_answers_are_bounded():
    """The oldest answers go, so that what readers ask for does not fill the server's memory."""
    kept = Answers(most_bytes=10_000)
    for number in range(100):
        kept.get(number, 1, lambda: Answer.of(b"x" * 900, "text/plain"))
    assert kept.get(99, 1, pytest.fail) is kept.get(99, 1, pytest.fail)
    assert len(kept._kept) == 5


@pytest.mark.parametrize("key", ["", "q" * 9_000], ids=["many", "long"])
def test_empty_answers_take_room_too(key):
    """Neither many answers without a word nor long addresses fill the memory."""
    kept = Answers(most_bytes=50_000)
    for number in range(100):
        kept.get((key, number), 1, lambda: Answer.of(b"", "text/plain"))
    assert len(kept._kept) == (4 if key else 49)


def test_packed_where_it_can_be(browser, store):
    """A long answer is packed once, in the thread that made it; a client that cannot unpack gets it plain."""
    save_quotes(store, [quote(f"A{number}") for number in range(100)])
    packed = browser.get("/api/symbols")
    plain = browser.get("/api/symbols", headers={"Accept-Encoding": "identity"})
    assert (packed.headers["content-encoding"], packed.json()) == ("gzip", plain.json())
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])


def test_anonymous_gets_nothing(page):
    """Whom the guard refuses gets no data and no page, but static files."""

    def nobody() -> None:
        raise HTTPException(401, "Not authenticated")

    app = create_app(page, nobody, in_airflow=True)
    stranger = TestClient(app)
    routes = [route.path for route in app.routes if isinstance(route, APIRoute)]
    for path in routes:
        answer = stranger.get(re.sub(r"\{.*?\}", "1", path))
        assert answer.status_code == 401, path
    assert stranger.get("/static/icon.svg").status_code == 200
