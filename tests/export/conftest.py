"""What the tests of exports share."""

import pytest

from common.export import Exporter
from common.store import Store
from tests.support.filled import fill
from tests.support.market import Market


@pytest.fixture
def exporter(market: Market) -> Exporter:
    return Exporter(market.dsn(), timeout_s=10, invented=True)


@pytest.fixture
def filled(market: Market, store: Store) -> Market:
    """A market database with something of everything that people look at."""
    fill(store, market)
    return market
