"""Whether the pages that people open answer, and say that they are well: Airflow's, the Market page, Flower's.

Each function takes the page's address, and raises PageDown.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from common.errors import PageDown
from common.redaction import one_line

#: A page that has not answered by then (s) is away, for whoever looks at it.
_TIMEOUT_S: Final = 3.0
_MOST_BYTES: Final = 100_000
#: A page that asks who is there is up.
_ASKS_FOR_LOGIN: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
#: These are the cluster's own: no proxy knows them.
_OPENER: Final = build_opener(ProxyHandler({}))


def airflow_states(url: str) -> Mapping[str, str]:
    """Return what Airflow says of each of its parts: ``healthy``, or what else."""
    _, text = _get(f"{url}/api/v2/monitor/health")  # 200 even where something is ill: the body says what
    try:
        return {part: str((said or {}).get("status")) for part, said in json.loads(text).items()}
    except (ValueError, AttributeError):
        raise PageDown(f"{url} answers, but not as Airflow does.") from None


def check_market(airflow: str) -> None:
    """See whether the Market page answers, at Airflow's address."""
    url = f"{airflow}/market/api/meta"  # Airflow answers 200 with its own page wherever nothing is mounted
    status, text = _get(url)
    if status not in _ASKS_FOR_LOGIN and not (status == HTTPStatus.OK and text.startswith("{")):
        raise PageDown(f"{url} answers {status}, and not as the Market page does")


def check_flower(url: str) -> None:
    """See whether Flower answers."""
    status, text = _get(f"{url}/healthcheck")
    if status != HTTPStatus.OK or "OK" not in text:
        raise PageDown(f"{url}/healthcheck answers {status}")


def check_exporter(url: str) -> None:
    """See whether the exporter of metrics lives."""
    status, _ = _get(f"{url}/livez")  # what it reads is checked elsewhere
    if status != HTTPStatus.OK:
        raise PageDown(f"{url}/livez answers {status}")


def _get(url: str) -> tuple[int, str]:
    """Return status and text of a page. Raises PageDown where there is no answer."""
    try:
        with _OPENER.open(url, timeout=_TIMEOUT_S) as reply:
            return reply.status, reply.read(_MOST_BYTES).decode("utf-8", "replace")
    except HTTPError as error:
        with error:
            return error.code, error.read(_MOST_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError) as error:  # ValueError: what answers speaks no HTTP
        raise PageDown(f"{url} does not answer: {one_line(str(getattr(error, 'reason', error)), 160)}") from None
