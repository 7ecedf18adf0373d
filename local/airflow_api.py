"""What the local tools and the tests ask of Airflow over its REST API."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import requests

DAG_ID: Final = "stock_data_pipeline"
_TIMEOUT_S: Final = 30


class AirflowApi:
    """A client of one user. The token is fetched when it is first needed."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._user = user
        self._password = password
        self._session = requests.Session()

    def __repr__(self) -> str:
        return f"AirflowApi({self.url!r}, user={self._user!r})"

    def health(self) -> dict[str, str]:
        """Return the status of the database, the scheduler, the triggerer and the DAG processor."""
        body = requests.get(f"{self.url}/api/v2/monitor/health", timeout=_TIMEOUT_S).json()
        return {part: str((values or {}).get("status")) for part, values in body.items()}

    def trigger(self, conf: dict[str, Any] | None = None, dag_id: str = DAG_ID) -> str:
        """Trigger a run; return its id."""
        body = {"logical_date": None, "conf": conf or {}}
        return str(self.call("POST", f"dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def run_state(self, run_id: str, dag_id: str = DAG_ID) -> str:
        """Return the run's state: queued, running, success or failed."""
        return str(self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def task_instances(self, run_id: str, dag_id: str = DAG_ID) -> list[dict[str, Any]]:
        """Return all task instances of the run, page by page."""
        return list(self._pages(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances"))

    def dag_known(self, dag_id: str = DAG_ID) -> bool:
        """Whether the DAG has been parsed and can be triggered."""
        return self._send("GET", f"dags/{dag_id}").ok

    def import_errors(self) -> Sequence[str]:
        """Return what kept a DAG file from being parsed."""
        return [str(row["stack_trace"]) for row in self._pages("importErrors", "import_errors")]

    def get(self, path: str) -> dict[str, Any]:
        """Return the reply to a GET of ``path`` below /api/v2."""
        return self.call("GET", path)

    def _pages(self, path: str, key: str, page: int = 100) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            body = self.call("GET", path, params={"limit": page, "offset": offset})
            yield from body[key]
            offset += page
            if offset >= body["total_entries"]:
                return

    def call(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401  requests' own
        """Return the reply to a request for ``path`` below /api/v2. Raises RuntimeError with what Airflow said."""
        response = self._send(method, path, **kwargs)
        if not response.ok:
            raise RuntimeError(f"Airflow answered {response.status_code} to {method} {path}: {response.text[:500]}")
        return dict(response.json())

    def _send(self, method: str, path: str, **kwargs: Any) -> requests.Response:  # noqa: ANN401  requests' own
        if "Authorization" not in self._session.headers:
            self._session.headers["Authorization"] = f"Bearer {self._token()}"
        return self._session.request(method, f"{self.url}/api/v2/{path}", timeout=_TIMEOUT_S, **kwargs)

    def _token(self) -> str:
        login = {"username": self._user, "password": self._password}
        response = self._session.post(f"{self.url}/auth/token", json=login, timeout=_TIMEOUT_S)
        if not response.ok:
            raise RuntimeError(f"Airflow refused the log-in of {self._user}: {response.status_code}")
        return str(response.json()["access_token"])
