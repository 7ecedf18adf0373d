"""One GET with the key in its query, in bounded time and space: the only user of ``requests``.

Nothing that knows the URL leaves here: not an exception of requests, not a log record of urllib3.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import requests
from pydantic import SecretStr
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from common.errors import ConfigurationError, DeadlineExceeded, NetworkFailed, PermitExpired
from common.provider.deadline import Deadline, bound, reach
from common.redaction import RedactingFilter, Redactor, one_line

#: How long (s) before its permission's end a request must leave, to have arrived by then.
FLIGHT_S: Final = 2.5
_CHUNK: Final = 65_536
_USER_AGENT: Final = "stock-data-pipeline"
#: Every logger of urllib3 that may print a URL or a server's bytes.
_LOGGERS: Final = tuple(
    logging.getLogger(f"urllib3.{name}") for name in ("connectionpool", "connection", "response", "poolmanager")
)
#: What requests lets through when the network, the proxy or the server misbehaves.
_FAULTS: Final = (requests.RequestException, HTTPError, OSError, UnicodeError)


class Permission(Protocol):
    """What allows one request: the quota's permit."""

    @property
    def remaining_s(self) -> float:
        """For how many seconds more the request may be under way."""

    def report(self, *, answered: bool) -> None:
        """Take in whether the provider did its work, or failed."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back, as bytes. ``flaw`` is the code of what is wrong with the body, "" for nothing.

    The body may repeat the key, so no repr shows it.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    flaw: str = ""


class Transport:
    """The pooled connections to one API. Thread-safe. ``host`` is its host and port, for messages."""

    def __init__(self, base_url: str, api_key: SecretStr, *, timeout_s: float, pool_size: int) -> None:
        self.base_url = base_url.rstrip("/")
        self.host = urlsplit(base_url).netloc.rpartition("@")[2]
        self.timeout_s = timeout_s
        self.redactor = Redactor([api_key.get_secret_value()])
        self._filter = RedactingFilter(self.redactor, escape=True)
        for logger in _LOGGERS:
            logger.addFilter(self._filter)
        self._key = api_key
        self._url = f"{self.base_url}/query"
        self._session = _session(self.base_url, pool_size)
        # Prepared once: only the query differs, and what requests does for each is a fifth of a call's cost.
        self._request = self._prepared()
        self._settings = self._session.merge_environment_settings(self._url, {}, True, None, None)

    def _prepared(self) -> requests.PreparedRequest:
        try:
            return self._session.prepare_request(requests.Request("GET", self._url, auth=_no_netrc))
        except (requests.RequestException, ValueError):
            self.close()
            raise ConfigurationError(
                f"{self.base_url[:128]!r} is no address of an API: correct ALPHA_VANTAGE_BASE_URL.",
                variable="ALPHA_VANTAGE_BASE_URL",
            ) from None

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()
        for logger in _LOGGERS:
            logger.removeFilter(self._filter)

    def get(
        self, subject: str, params: dict[str, str], max_bytes: int, permission: Permission | None = None
    ) -> HttpResponse:
        """Ask ``/query`` and receive the whole answer; ``subject`` names what was asked for in messages.

        With a ``permission`` the request leaves only if it arrives while that holds, however long this process was
        held up since it was given. Raises NetworkFailed or DeadlineExceeded.
        """
        may_send = (lambda: permission.remaining_s > FLIGHT_S) if permission else None
        seconds = min(self.timeout_s, permission.remaining_s) if permission else self.timeout_s
        with Deadline(seconds, may_send) as deadline:
            outcome = self._get(params, max_bytes)
        if isinstance(outcome, HttpResponse):
            return outcome
        # Raised here, of a clean text: no exception that knows the URL hangs on it, not even in a frame's variables.
        raise self._fault(subject, outcome, deadline)

    def _get(self, params: dict[str, str], max_bytes: int) -> HttpResponse | str:
        """Return the answer, or a clean text on what kept it away."""
        try:
            request = self._request.copy()
            request.prepare_url(self._url, params | {"apikey": self._key.get_secret_value()})
            with self._session.send(
                request, timeout=self.timeout_s, allow_redirects=False, **self._settings
            ) as response:
                return HttpResponse(response.status_code, response.headers, *_body(response, max_bytes))
        except _FAULTS as error:
            return self.clean(_root_cause(error))

    def reach(self) -> float:
        """Connect, with TLS on https, ask nothing, and return how many seconds that took.

        Raises NetworkFailed or DeadlineExceeded.
        """
        started = time.monotonic()
        with Deadline(self.timeout_s) as deadline:
            problem = self._reach()
        if problem:
            raise self._fault("the API", problem, deadline)
        return time.monotonic() - started

    def _reach(self) -> str:
        adapter = self._session.get_adapter(self.base_url)
        assert isinstance(adapter, HTTPAdapter)  # noqa: S101  mounted below
        verify, proxies = self._settings["verify"], self._settings["proxies"]
        try:
            reach(adapter.get_connection_with_tls_context(self._request, verify, proxies))
        except _FAULTS as error:
            return self.clean(_root_cause(error))
        return ""

    def _fault(self, subject: str, problem: str, deadline: Deadline) -> NetworkFailed | DeadlineExceeded:
        if deadline.forbidden or (deadline.passed and not deadline.request_sent and deadline.seconds < self.timeout_s):
            return PermitExpired(
                f"{subject}: not sent to {self.host}, because too much time had passed since its permit. It will be "
                "tried again.",
                request_sent=deadline.request_sent,
            )
        if deadline.passed:
            return DeadlineExceeded(
                f"{subject}: {self.host} did not answer within {self.timeout_s:g} s. It will be tried again; raise "
                "API_TIMEOUT if the network is that slow.",
                request_sent=deadline.request_sent,
            )
        return NetworkFailed(
            f"{subject}: no reply from {self.host} ({problem}). It will be tried again; "
            "check the network, the proxy and ALPHA_VANTAGE_BASE_URL.",
            request_sent=deadline.request_sent,
        )

    def clean(self, text: str) -> str:
        """Return foreign text as one redacted, harmless line, cut."""
        return one_line(self.redactor.text(text))


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand in for credentials: without any, requests looks for some in ``.netrc``."""
    return request


class _BoundedAdapter(HTTPAdapter):
    """Connections, direct or through a proxy, that obey the deadline in force."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  the base's, handed through
        super().init_poolmanager(*args, **kwargs)
        bound(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  the base's, handed through
        return bound(super().proxy_manager_for(*args, **kwargs))


def _session(base_url: str, pool_size: int) -> requests.Session:
    session = requests.Session()
    session.trust_env = base_url.startswith("https:")
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": _USER_AGENT, "Accept": "application/json", "Accept-Encoding": "gzip"})
    for scheme in ("http://", "https://"):
        session.mount(scheme, _BoundedAdapter(pool_connections=2, pool_maxsize=pool_size))
    return session


def _body(response: requests.Response, limit: int) -> tuple[bytes, str]:
    """Return the decoded body and its flaw; what exceeds ``limit`` is never unpacked, so a bomb does not go off."""
    body = bytearray()
    try:
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > limit:
                return bytes(body[:limit]), "too_large"
    except requests.exceptions.ContentDecodingError:
        return bytes(body), "not_decodable"
    return bytes(body), ""


def _root_cause(problem: BaseException) -> str:
    """Name what lies at the bottom: ``ConnectionRefusedError: …`` says more than the wrappers, which hold the URL."""
    seen = {id(problem)}
    while (cause := problem.__cause__ or problem.__context__) and id(cause) not in seen:
        seen.add(id(cause))
        problem = cause
    return f"{type(problem).__name__}: {problem}"
