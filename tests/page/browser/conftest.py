"""The page on a socket of its own, and a real Chromium that looks at it: one server and one browser for all tests."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import redis
import uvicorn
from fastapi import HTTPException
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect
from psycopg2 import sql
from pydantic import SecretStr

from common.quota.limiter import Limiter
from common.quota.quota import Quota
from common.settings import SANDBOX_API_KEY, PageSettings
from common.store import Store
from local.ports import free_port
from local.services import Redis
from local.temporary import wait_until
from plugins.market.answers import Answers
from plugins.market.page import Page as MarketPage
from plugins.market.web import create_app
from tests.conftest import TEMPLATE, missing
from tests.page.browser.filled import CALLS, fill
from tests.page.browser.frame import with_frame
from tests.support.browser import NETWORK_CHANGED, Complaints, NoChromium, running_chromium
from tests.support.market import Market

QUOTA = f"75/min,{CALLS}/day"
_TRIES = 3
#: A condition is waited for as long as a page is: a busy machine is slow, and no time is what a test shows.
expect.set_options(timeout=30_000)


@dataclass(eq=False)
class Login:
    """Who looks at the page is logged in until the test says otherwise."""

    expired: bool = False

    def __call__(self) -> str:
        if self.expired:
            raise HTTPException(401, "Not authenticated")
        return "Ada"


@dataclass
class Site:
    """The served page."""

    url: str
    login: Login
    market: Market
    redis_url: str
    shown: MarketPage

    def forget(self) -> None:
        """Keep no answer: one that took long is shown for a while although Redis says something else by now."""
        self.shown.answers = Answers()


@dataclass
class Tab(Complaints):
    """A page of the browser at the site; ``url`` is the site's."""

    site: Site = field(kw_only=True)

    def open(self, path: str) -> Page:
        """Open a page of the site; again where the machine's network changed while its scripts came."""
        for _ in range(_TRIES):
            self.network_changed = False
            self._go(path)
            if not self.network_changed:
                break
        return self.shown()

    def _go(self, path: str) -> None:
        try:
            self.page.goto(self.url + path)
        except Error as error:
            if NETWORK_CHANGED not in error.message:
                raise
            self.network_changed = True

    def reload(self) -> Page:
        self.page.reload()
        return self.shown()

    def shown(self) -> Page:
        """Wait until the page has shown, or has failed to show, what it is made of."""
        self.page.wait_for_function("() => document.querySelector('#asof').textContent !== ''")
        return self.page


@pytest.fixture(scope="session")
def filled_market(market_template: Market, admin: Market) -> Iterator[Market]:
    """One filled market database for all tests here: they only read."""
    clone = Market(market_template.server, market_template.password, "market_sandbox")
    names = {"clone": sql.Identifier(clone.database), "template": sql.Identifier(TEMPLATE)}
    admin.query(sql.SQL("CREATE DATABASE {clone} TEMPLATE {template} OWNER market_owner").format(**names))
    with Store(clone.dsn()) as store:
        fill(clone, store)
    yield clone
    clone.close()
    admin.query(sql.SQL("DROP DATABASE {clone} WITH (FORCE)").format(**names))


@pytest.fixture(scope="session")
def site(filled_market: Market, redis_server: Redis) -> Iterator[Site]:
    settings = PageSettings.from_environment(
        {
            "MARKET_DATABASE_URL": filled_market.dsn().get_secret_value(),
            "MARKET_READER_PASSWORD": filled_market.password,
            "LIMITER_REDIS_URL": redis_server.url(2),
            "ALPHA_VANTAGE_QUOTA": QUOTA,
        }
    )
    page, login, port = MarketPage.from_settings(settings), Login(), free_port()
    app = with_frame(create_app(page, login, in_airflow=True), create_app(page, login, in_airflow=False))
    page.calendars.warm_up()  # a mounted app is not told that the server has started
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, name="market-page", daemon=True)
    thread.start()
    wait_until(lambda: server.started and page.calendars.expected(), "the page and its calendars did not start")
    yield Site(f"http://127.0.0.1:{port}", login, filled_market, settings.limiter_redis_url, page)
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def used_quota(site: Site) -> Iterator[None]:
    """A limiter that has made the calls of the newest run; without it nobody knows what is used."""
    limiter = Limiter(SecretStr(site.redis_url), Quota.parse(QUOTA), key=SecretStr(SANDBOX_API_KEY), cap_s=30)
    limiter.start_fresh()
    for number in range(CALLS):
        with limiter.permit(f"call-{number}", max_wait_s=1):
            pass
    site.forget()
    yield
    with redis.Redis.from_url(site.redis_url) as client:
        client.flushdb()
    site.forget()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The system's Chromium. It ends with this room: beside it no test of the same process can run an event loop."""
    try:
        with running_chromium() as browser:
            yield browser
    except NoChromium as error:
        missing(str(error))


@pytest.fixture
def context(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A fresh profile; a test's parameter may say how it is set."""
    settings = {"locale": "en-GB", "timezone_id": "Europe/Zurich", "viewport": {"width": 1280, "height": 800}}
    opened = chromium.new_context(**settings | getattr(request, "param", {}))
    yield opened
    opened.close()


@pytest.fixture
def tab(context: BrowserContext, site: Site) -> Iterator[Tab]:
    """A tab; a test fails if the page said an error, broke the policy or asked another host."""
    site.login.expired = False
    opened = Tab(context.new_page(), site.url, site=site)
    yield opened
    assert opened.problems == []
