"""The pages that people open: whether each answers, and says that it is well."""

from collections.abc import Iterator, Mapping
from typing import Final

import requests
from prometheus_client.core import GaugeMetricFamily

from monitoring.metrics import by_label, gauge
from monitoring.sources.source import PATIENCE_S

#: What tells that a page is well: its path, and a text of the reply. Airflow's answers 200 even when it is ill.
WELL: Final[Mapping[str, tuple[str, str]]] = {
    "airflow": ("/api/v2/monitor/health", '"metadatabase":{"status":"healthy"'),
    "flower": ("/healthcheck", "OK"),
}


class PagesSource:
    """The pages by name, as in ``WELL``, with the address of each."""

    name = "pages"

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses
        self._session = requests.Session()
        self._session.trust_env = False  # these are the cluster's own: no proxy knows them

    def read(self) -> Iterator[GaugeMetricFamily]:
        """Yield which pages are up; one that is not is no failure of this source."""
        yield gauge("pipeline_page_up", by_label((page, self._is_well(page)) for page in self._addresses))

    def _is_well(self, page: str) -> bool:
        path, sign = WELL[page]
        try:
            reply = self._session.get(self._addresses[page].rstrip("/") + path, timeout=PATIENCE_S / 2)
        except requests.RequestException:
            return False
        return reply.ok and sign in reply.text

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
