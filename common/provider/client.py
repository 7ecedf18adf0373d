"""The calls, their retries, and what each answer means."""

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Self
from urllib.parse import urlsplit

from pydantic import SecretStr
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from common.errors import (
    ApiKeyRejected,
    ConfigurationError,
    DeadlineExceeded,
    NetworkFailed,
    PayloadRejected,
    PipelineError,
    ProviderBusy,
    ProviderUnavailable,
    RateLimited,
)
from common.provider.http_transport import HttpResponse, Permission, Transport
from common.provider.refusals import carries_data, is_page, known_words, not_covered, notices, refusal
from common.provider.request import Request
from common.provider.strict_json import Unreadable, read_object
from common.provider.table import is_table
from common.redaction import STARS, one_line
from common.values import Reply

#: Entered around each attempt: acquires a permit, which is handed in, and settles it when the attempt is over.
Gate = Callable[[], AbstractContextManager[Permission | None]]

MAX_RETRY_AFTER_S: Final = 30.0
_MAX_PAUSE_S: Final = 10.0
_DAY_S: Final = 86_400.0
_TEMPORARY_REDIRECTS: Final = frozenset({HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT})
_PERMANENT_REDIRECTS: Final = frozenset({HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT})

#: Said by what stands before the API to whom it holds back, or of a request that it did not get through.
_NOT_NOW: Final = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})

#: A sentence for each flaw of a body that the transport notices.
_FLAWS: Final = {
    "too_large": "it is larger than such a reply can be, and was cut after {max_bytes:,} bytes",
    "not_decodable": "its body is not what its Content-Encoding says, and was cut where that shows",
}

log = logging.getLogger(__name__)


class AlphaVantageClient:
    """A client for one API key. Thread-safe: many threads share its pool of connections. Close it, or use ``with``.

    ``timeout_s`` bounds an attempt as a whole, ``attempts`` how many there are; ``sleep`` waits between them.

    Each call raises a leaf of Retryable, SymbolFailed or RunFailed, or what its gate raises.
    """

    def __init__(
        self,
        base_url: str,
        api_key: SecretStr,
        *,
        timeout_s: float = 30,
        attempts: int = 3,
        pool_size: int = 10,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = Transport(base_url, api_key, timeout_s=timeout_s, pool_size=pool_size)
        self._attempts = attempts
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.base_url!r}, timeout_s={self._transport.timeout_s:g})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()

    def fetch(self, request: Request, *, gate: Gate = nullcontext) -> Reply:
        """Ask until there is an answer or no attempt is left; return the reply, every value of it as it came."""
        retrying = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(self._attempts),
            wait=_pause,
            sleep=self._sleep,
            reraise=True,
        )
        return retrying(self._attempt, request, gate)

    def reachable(self) -> float:
        """Connect to the API (with TLS on https), ask nothing, and return how many seconds that took.

        Spends no quota. Raises NetworkFailed or DeadlineExceeded.
        """
        return self._transport.reach()

    def _attempt(self, request: Request, gate: Gate) -> Reply:
        """Ask once. The permit is settled when the answer is here, before it is read."""
        with gate() as permission:
            started = time.monotonic()
            params = {"function": request.function, **request.params}
            answer = self._transport.get(request.subject, params, request.max_bytes, permission)
            if permission:
                permission.report(answered=answer.status < HTTPStatus.INTERNAL_SERVER_ERROR)
            received_at, latency_s = datetime.now(UTC), time.monotonic() - started
        text = self._transport.redactor.text(answer.body.decode("utf-8", "backslashreplace"))
        # Judged apart and raised here: what the provider said may repeat the key, so no frame of the error holds it.
        verdict = self._judge(request, answer, text)
        if isinstance(verdict, PipelineError):
            raise verdict
        return Reply(verdict, text, received_at, latency_s)

    def _judge(self, request: Request, answer: HttpResponse, text: str) -> dict[str, object] | PipelineError:
        """Return the document, without the key (empty for a table), or what status, body or notice stand for."""
        if answer.status != HTTPStatus.OK:
            return self._status_error(request.subject, answer, text)
        if answer.flaw:
            why = _FLAWS[answer.flaw].format(max_bytes=request.max_bytes)
            return self._rejected(request.subject, answer.flaw, why, text)
        try:
            if request.format == "csv" and is_table(answer.body):
                return {}
            original = read_object(answer.body)
            clean = read_object(text.encode()) if STARS in text else original
        except Unreadable as problem:
            return self._unreadable(request, answer.body, problem, text)
        if request.format == "json" and not request.notice_in_message and self._carries_data(request.subject, clean):
            return clean
        return self._without_data(request, original, clean, text)

    def _unreadable(self, request: Request, body: bytes, problem: Unreadable, text: str) -> PipelineError:
        """Return what a body stands for that is neither whole JSON nor the table that was asked for."""
        code, why = problem.code, self._transport.clean(str(problem))
        if is_page(body):
            return self._busy(request.subject, code, "it is a page", text)
        if code == "not_json":
            if known := known_words(text, request.subject):
                return known
            if request.format == "csv":
                code, why = "not_csv", "it does not begin with a line of names, as CSV does"
        return self._rejected(request.subject, code, why, text)

    def _carries_data(self, subject: str, document: dict[str, object]) -> bool:
        """Whether there are data in it; what the provider says besides them is logged."""
        if not carries_data(document):
            return False
        for notice in notices(document):
            log.warning("%s: with the data Alpha Vantage says %r", subject, one_line(notice))
        return True

    def _without_data(
        self, request: Request, original: dict[str, object], clean: dict[str, object], text: str
    ) -> dict[str, object] | PipelineError:
        """Return what a notice or an empty reply stands for, or the document: a reply of another structure."""
        # The original's: the key may be a word of theirs, such as demo.
        of_one_symbol = request.format == "json" and not request.notice_in_message
        if refused := refusal(original, request.subject, bulk=not of_one_symbol):
            return refused
        if said := notices(clean):
            judge = self._rejected if request.notice_in_message else self._busy  # of many: each can be asked for alone
            return judge(request.subject, "unexpected_notice", f"it says {one_line(said[0])!r}", text)
        if request.format == "csv":
            subject = request.subject
            return self._rejected(subject, "not_csv", "it is JSON", text) if clean else not_covered(subject)
        return clean

    def _status_error(self, subject: str, answer: HttpResponse, text: str) -> PipelineError:
        """Return the error that an HTTP status other than 200 stands for."""
        status, pause = answer.status, _retry_after(answer.headers)
        said = f"{subject}: {self._transport.host} answered with HTTP {status}"
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _TEMPORARY_REDIRECTS:
            sentence = f"{said}. It will be tried again; if this lasts, the provider has an outage."
            return ProviderUnavailable(sentence, status=status, retry_after_s=pause)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return RateLimited(f"{said}: calls come too fast. It will be tried again.", retry_after_s=pause)
        if status == HTTPStatus.UNAUTHORIZED:
            return ApiKeyRejected(f"{said}: the API key is not accepted. Check ALPHA_VANTAGE_API_KEY.")
        if status in _PERMANENT_REDIRECTS:
            target = self._transport.clean(_origin(answer.headers.get("Location", "")))
            sentence = f"{said}, a redirect to {target or 'nowhere'}. Set ALPHA_VANTAGE_BASE_URL to the API itself."
            return ConfigurationError(sentence, variable="ALPHA_VANTAGE_BASE_URL")
        why = f"its status is HTTP {status}"
        if status in _NOT_NOW or (status >= HTTPStatus.BAD_REQUEST and is_page(answer.body)):
            return self._busy(subject, "http_status", why, text, status)
        return self._rejected(subject, "http_status", why, text)

    def _busy(self, subject: str, code: str, why: str, text: str, status: int = HTTPStatus.OK) -> ProviderBusy:
        sentence = (
            f"{subject}: the reply of {self._transport.host} is no data: {why}. The provider seems to be busy and is "
            "asked again later; if it lasts, look at the reply in quarantine."
        )
        return ProviderBusy(sentence, status=status, code=code, payload=text)

    def _rejected(self, subject: str, code: str, why: str, text: str) -> PayloadRejected:
        sentence = f"{subject}: the reply of {self._transport.host} cannot be used: {why}. It is kept to be looked at."
        return PayloadRejected(sentence, code=code, payload=text)


def _may_pass(error: BaseException) -> bool:
    """Whether the next attempt may well succeed. A busy provider is left alone for longer than between attempts."""
    passing = isinstance(error, (NetworkFailed, DeadlineExceeded, ProviderUnavailable))
    return passing and not isinstance(error, ProviderBusy)


def _pause(state: RetryCallState) -> float:
    """Full jitter up to 1, 2, 4 … 10 s; what the provider asks for instead, up to 30 s."""
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after_s", None)
    if asked is not None:
        return min(float(asked), MAX_RETRY_AFTER_S)
    return float(wait_random_exponential(multiplier=1, max=_MAX_PAUSE_S)(state))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, seconds or an HTTP date (RFC 9110, 10.2.3), at most a day; None if absent or malformed."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _DAY_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # OverflowError: an offset that no time zone has
        return None
    left = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)
    return min(max(left.total_seconds(), 0.0), _DAY_S)


def _origin(url: str) -> str:
    """Return ``scheme://host`` of a redirect's target: its query may repeat the key."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""
