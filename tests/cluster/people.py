"""People who log in to the cluster's Airflow."""

from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any, Self

import requests

from local.cluster import ADMIN
from tests.cluster.conftest import Running


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in."""

    url: str
    session: requests.Session
    name: str = ""
    password: str = ""

    @classmethod
    def who_logs_in(cls, url: str, name: str, password: str) -> Self:
        session = requests.Session()
        token = session.post(f"{url}/auth/token", json={"username": name, "password": password}, timeout=30)
        session.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        return cls(url, session, name, password)

    @classmethod
    def admin_of(cls, running: Running) -> Self:
        """The admin that the init step made."""
        return cls.who_logs_in(running.cluster.api.url, ADMIN, running.cluster.state.secrets()["airflow_admin"])

    def ask(self, path: str, method: str = "GET", **body: Any) -> requests.Response:
        return self.session.request(method, f"{self.url}/{path}", timeout=30, **body)

    def make_one(self, role: str) -> "Person":
        """Make a person of a role, as an admin does, and log in."""
        name, password = f"a-{role}-{token_urlsafe(4)}", token_urlsafe()
        user = {"username": name, "email": f"{name}@localhost.invalid", "first_name": "A", "last_name": role}
        made = self.ask("auth/fab/v1/users", "POST", json={**user, "password": password, "roles": [{"name": role}]})
        assert made.ok, made.text
        return Person.who_logs_in(self.url, name, password)
