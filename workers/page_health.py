"""Whether the pages answer, and say that they are well: Airflow's, the Market page, Flower, the exporter."""

from collections.abc import Callable, Iterator, Mapping

from common.errors import PageDown
from common.pages import airflow_states, check_exporter, check_flower, check_market
from common.settings.pages import PageAddresses


def page_checks(addresses: PageAddresses) -> Mapping[str, Callable[[], str]]:
    """Return a check for each page whose address is known; it raises PageDown."""
    return dict(_checks(addresses)) if addresses.health_pages == "here" else {}


def _checks(addresses: PageAddresses) -> Iterator[tuple[str, Callable[[], str]]]:
    if airflow := addresses.health_airflow_url:
        yield "airflow", lambda: _airflow(airflow)
        yield "market", lambda: _answers(check_market, airflow)
    if flower := addresses.health_flower_url:
        yield "flower", lambda: _answers(check_flower, flower)
    if exporter := addresses.health_exporter_url:
        yield "exporter", lambda: _answers(check_exporter, exporter)


def _airflow(url: str) -> str:
    states = airflow_states(url)
    ill = [f"{part} is {state}" for part, state in states.items() if state != "healthy"]
    if ill:
        raise PageDown(f"{url}: {', '.join(ill)}")
    return f"{url}: {', '.join(states)} healthy"


def _answers(check: Callable[[str], None], url: str) -> str:
    check(url)
    return f"{url} answers"
