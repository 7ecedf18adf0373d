"""From Alertmanager to the addresses of ``ALERT_URLS``: one message for a group of alerts, each state of an alert once.

It remembers in memory alone: it has to work while PostgreSQL is what is away, and Alertmanager tries again by itself.
After a restart what still fires may be told once more, when its group changes or its repeat interval has passed.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.notify.address import AlertAddress
from common.notify.message import Kind, Message
from common.notify.notifier import send_all
from common.redaction import one_line

log = logging.getLogger(__name__)

#: Alertmanager of Debian 12 waits ten seconds for an answer, and then tries again.
DEADLINE_S: Final = 8.0
#: How many alerts a message names, and how many a group may have.
_NAMED: Final = 10
_MOST_ALERTS: Final = 10_000
_MAX_SENTENCE: Final = 300
#: How many states of alerts are remembered: the latest.
_REMEMBERED: Final = 20_000


class Alert(BaseModel):
    """An alert, of what Alertmanager's webhook sends: version 4."""

    model_config = ConfigDict(frozen=True)

    status: Literal["firing", "resolved"]
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    startsAt: datetime  # noqa: N815  Alertmanager's own name
    fingerprint: str

    @property
    def event(self) -> str:
        """The name of what is told once."""
        return f"{self.fingerprint} {self.startsAt.isoformat()} {self.status}"


class Group(BaseModel):
    """The alerts of one request."""

    alerts: list[Alert] = Field(max_length=_MOST_ALERTS)


@dataclass(frozen=True, slots=True)
class RelayAnswer:
    """What Alertmanager is answered; at a ``status`` of 500 it sends the same again, at 400 it gives up."""

    status: int
    text: str


class Relay:
    """The addresses, and which states of alerts they were told. Thread-safe; requests are answered one by one."""

    def __init__(self, addresses: Sequence[AlertAddress], *, deadline_s: float = DEADLINE_S) -> None:
        self._addresses = tuple(addresses)
        self._deadline_s = deadline_s
        self._told: dict[tuple[AlertAddress, str], None] = {}  # in the order of telling
        self._lock = Lock()

    def accept(self, body: bytes) -> RelayAnswer:
        """Tell each address what of a group of alerts it was not told yet. The answer holds no secret."""
        try:
            alerts = Group.model_validate_json(body).alerts
        except ValidationError as error:
            where = "; ".join(".".join(map(str, each["loc"])) + f": {each['msg']}" for each in error.errors()[:3])
            return RelayAnswer(400, f"This is not what Alertmanager sends: {one_line(where, _MAX_SENTENCE)}")
        with self._lock:
            return self._tell(alerts)

    def _tell(self, alerts: Sequence[Alert]) -> RelayAnswer:
        new = {
            address: [each for each in alerts if (address, each.event) not in self._told] for address in self._addresses
        }
        messages = [(address, message(theirs)) for address, theirs in new.items() if theirs]
        problems = send_all(messages, self._deadline_s, pause_s=0)
        failed = []
        for (address, told), problem in zip(messages, problems, strict=True):
            if problem:
                log.warning("%s was not told %r: %s", address, told.title, problem)
                failed.append(f"{address}: {problem}")
            else:
                self._told |= dict.fromkeys((address, each.event) for each in new[address])
        self._forget()
        return RelayAnswer(500, "; ".join(failed)) if failed else RelayAnswer(200, f"{len(messages)} messages sent")

    def _forget(self) -> None:
        for _ in range(len(self._told) - _REMEMBERED):
            del self._told[next(iter(self._told))]


def message(alerts: Sequence[Alert]) -> Message:
    """Return the message about alerts, those that fire first."""
    firing = [alert for alert in alerts if alert.status == "firing"]
    resolved = [alert for alert in alerts if alert.status == "resolved"]
    title = "; ".join(filter(None, [_title("firing", firing), _title("resolved", resolved)]))
    lines = [line for alert in (*firing, *resolved)[:_NAMED] for line in _lines(alert)]
    if len(alerts) > _NAMED:
        lines.append(f"… and {len(alerts) - _NAMED} more alerts.")
    return Message.of(Kind.ALERT if firing else Kind.RECOVERED, title, "\n".join(lines))


def _title(state: str, alerts: Sequence[Alert]) -> str:
    names = dict.fromkeys(alert.labels.get("alertname", "an alert without a name") for alert in alerts)
    return f"{state}: {', '.join(names)}" if alerts else ""


def _lines(alert: Alert) -> Iterator[str]:
    severity = alert.labels.get("severity", "")
    name = alert.labels.get("alertname", "an alert without a name")
    since = f"{alert.startsAt.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    yield f"{name}{f' ({severity})' if severity else ''}: {alert.status}, since {since}"
    for key in ("summary", "description", "runbook_url"):
        if text := alert.annotations.get(key):
            yield f"  {one_line(text, _MAX_SENTENCE)}"
    yield ""
