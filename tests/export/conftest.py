"""What the tests of exports share."""

import pytest

from common.export import Exporter
from tests.support.market import Market


@pytest.fixture
def exporter(market: Market) -> Exporter:
    return Exporter(market.dsn(), timeout_s=10, invented=True)
