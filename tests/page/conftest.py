"""The page on a market database of the test's own, asked over ASGI as a browser would."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from common.quota.limiter import Limiter
from common.quota.quota import Quota
from common.settings import SANDBOX_API_KEY, PageSettings
from plugins.market.page import Page
from plugins.market.reader import Reader
from plugins.market.web import create_app
from tests.support.market import Market

QUOTA = "50/s,500/day"


@pytest.fixture
def page_settings(market: Market, redis_url: str) -> PageSettings:
    """What the page reads with: as market_reader, and without the API key."""
    return PageSettings.from_environment(
        {
            "MARKET_DATABASE_URL": market.dsn().get_secret_value(),
            "MARKET_READER_PASSWORD": market.password,
            "LIMITER_REDIS_URL": redis_url,
            "ALPHA_VANTAGE_QUOTA": QUOTA,
        }
    )


@pytest.fixture
def page(page_settings: PageSettings) -> Iterator[Page]:
    """The page's collaborators; nothing is kept between two reads of the versions."""
    page = Page.from_settings(page_settings)
    page.reader = Reader(page_settings.market_dsn, versions_hold_s=0)
    yield page
    page.close()


@pytest.fixture
def browser(page: Page) -> TestClient:
    """Somebody who is logged in."""
    return TestClient(create_app(page, lambda: "Ada", in_airflow=False), raise_server_exceptions=True)


@pytest.fixture
def limiter(redis_url: str) -> Limiter:
    """The workers' limiter; without it nobody knows what is used."""
    limiter = Limiter(SecretStr(redis_url), Quota.parse(QUOTA), key=SecretStr(SANDBOX_API_KEY), cap_s=30)
    limiter.start_fresh()
    return limiter


def get(browser: TestClient, address: str, **query: Any) -> Any:
    """Return the JSON that is answered, and require that all went well."""
    answer = browser.get(address, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()
