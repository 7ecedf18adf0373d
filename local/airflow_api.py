"""What the local tools and the tests ask of Airflow over its REST API."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import requests

from common.redaction import one_line
from workers.dag_health import DAG_ID

_TIMEOUT_S: Final = 30
#: The token is too old, or was signed with another key.
_TOKEN_REFUSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class AirflowRefused(RuntimeError):
    """Airflow answered, but not with what was asked for. ``status`` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class AirflowApi:
    """A client of one user. The token is fetched when it is first needed, and again when it is refused."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._user = user
        self._password = password
        self._session = requests.Session()
        self._session.trust_env = False  # neither a proxy nor a netrc of the person's: it is this machine

    def __repr__(self) -> str:
        return f"AirflowApi({self.url!r}, user={self._user!r})"

    def health(self) -> dict[str, str]:
        """Return the status of the database, the scheduler, the triggerer and the DAG processor."""
        body = self._session.get(f"{self.url}/api/v2/monitor/health", timeout=_TIMEOUT_S).json()
        return {part: str((values or {}).get("status")) for part, values in body.items()}

    def trigger(self, conf: dict[str, Any] | None = None, dag_id: str = DAG_ID, *, run_id: str = "") -> str:
        """Trigger a run; return its id. With a ``run_id``, asking again triggers nothing twice."""
        body = {"logical_date": None, "conf": conf or {}, **({"dag_run_id": run_id} if run_id else {})}
        try:
            return str(self.call("POST", f"dags/{dag_id}/dagRuns", json=body)["dag_run_id"])
        except AirflowRefused as refused:
            if run_id and refused.status == HTTPStatus.CONFLICT:  # the answer to the first time got lost
                return run_id
            raise

    def run_state(self, run_id: str, dag_id: str = DAG_ID) -> str:
        """Return the run's state: queued, running, success or failed."""
        return str(self.call("GET", f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def runs(self, dag_id: str = DAG_ID) -> dict[str, str]:
        """Return the state of each of the DAG's last hundred runs, by id."""
        listed = self.get(f"dags/{dag_id}/dagRuns?order_by=-run_after&limit=100")["dag_runs"]
        return {str(run["dag_run_id"]): str(run["state"]) for run in listed}

    def task_instances(self, run_id: str, dag_id: str = DAG_ID) -> list[dict[str, Any]]:
        """Return all task instances of the run, page by page."""
        return list(self._pages(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", "task_instances"))

    def dag_known(self, dag_id: str = DAG_ID, *, since: datetime | None = None) -> bool:
        """Whether the DAG was parsed, at or after ``since`` (aware), and can be triggered."""
        reply = self._send("GET", f"dags/{dag_id}")
        if reply.status_code == HTTPStatus.NOT_FOUND:
            return False
        dag = _json(reply, f"GET dags/{dag_id}")
        return not dag.get("is_stale") and _is_since(dag.get("last_parsed_time"), since)

    def import_errors(self, *, since: datetime | None = None) -> Sequence[str]:
        """Return what kept DAG files from being parsed at or after ``since``: a stack trace for each file."""
        rows = self._pages("importErrors", "import_errors")
        return [str(row["stack_trace"]) for row in rows if _is_since(row["timestamp"], since)]

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
        """Return the reply to a request for ``path`` below /api/v2. Raises AirflowRefused with what Airflow said."""
        return _json(self._send(method, path, **kwargs), f"{method} {path}")

    def _send(self, method: str, path: str, **kwargs: Any) -> requests.Response:  # noqa: ANN401  requests' own
        response = self._ask(method, path, **kwargs)
        if response.status_code in _TOKEN_REFUSED:
            self._session.headers.pop("Authorization", None)
            response = self._ask(method, path, **kwargs)
        return response

    def _ask(self, method: str, path: str, **kwargs: Any) -> requests.Response:  # noqa: ANN401  requests' own
        if "Authorization" not in self._session.headers:
            self._session.headers["Authorization"] = f"Bearer {self._token()}"
        return self._session.request(method, f"{self.url}/api/v2/{path}", timeout=_TIMEOUT_S, **kwargs)

    def _token(self) -> str:
        login = {"username": self._user, "password": self._password}
        response = self._session.post(f"{self.url}/auth/token", json=login, timeout=_TIMEOUT_S)
        return str(_json(response, f"the log-in of {self._user}").get("access_token"))


def new_run_id() -> str:
    """Return the id of a run that a person triggers now, as Airflow makes it."""
    return f"manual__{datetime.now(UTC).isoformat()}"


def _is_since(time: str | None, since: datetime | None) -> bool:
    return since is None or (time is not None and datetime.fromisoformat(time) >= since)


def _json(response: requests.Response, what: str) -> dict[str, Any]:
    if not response.ok:
        raise AirflowRefused(
            f"Airflow answered {response.status_code} to {what}: {one_line(response.text, 500)}", response.status_code
        )
    return dict(response.json())
