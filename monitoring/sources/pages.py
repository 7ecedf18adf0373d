"""The pages that people open: whether each answers, and says that it is well."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily

from common.errors import PageDown
from common.pages import airflow_states, check_flower
from monitoring.metrics import by_label, gauge


def _check_airflow(url: str) -> None:
    """Airflow's pages are well where they reach its database; that another part is silent is an alert of its own."""
    if airflow_states(url).get("metadatabase") != "healthy":
        raise PageDown(f"{url} does not reach its database")


CHECKS: Final[Mapping[str, Callable[[str], None]]] = {"airflow": _check_airflow, "flower": check_flower}


class PagesSource:
    """The pages by name, as in ``CHECKS``, with the address of each."""

    name = "pages"

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = {page: address.rstrip("/") for page, address in addresses.items()}

    def read(self) -> Iterator[GaugeMetricFamily]:
        """Yield which pages are up; one that is not is no failure of this source."""
        yield gauge("pipeline_page_up", by_label((page, self._is_well(page)) for page in self._addresses))

    def _is_well(self, page: str) -> bool:
        try:
            CHECKS[page](self._addresses[page])
        except PageDown:
            return False
        return True

    def close(self) -> None:
        """Keep nothing open: each look is a connection of its own."""
