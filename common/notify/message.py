"""A message to people: short, plain text, harmless wherever it is shown."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from common.redaction import Redactor, escape_controls

#: Discord takes 2,000 characters, and nobody reads more.
MAX_BODY: Final = 1800
MAX_TITLE: Final = 120
_CUT: Final = "\n… cut: the run's log has all of it."
#: Begins a tag of HTML, a mention of Slack, or a link: what stands in a provider's message means none of these.
_ANGLES: Final = str.maketrans("<>", "‹›")  # noqa: RUF001  look alike, on purpose
_MENTION: Final = re.compile(r"@(?=everyone|here|channel|all\b)", re.IGNORECASE)


class Kind(StrEnum):
    """What a message is about."""

    FAILED = "failed"
    RECOVERED = "recovered"
    LATE = "late"
    QUOTA = "quota"  # the day's calls were used up before every symbol had one
    STALE = "stale"
    ALERT = "alert"  # Alertmanager's
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. Make it with ``of``, which makes the texts harmless and bounds them."""

    kind: Kind
    title: str
    body: str

    @classmethod
    def of(cls, kind: Kind, title: str, body: str, redactor: Redactor | None = None) -> Self:
        """Return the message without secrets, control characters, markup or mentions of a whole channel."""
        hide = redactor or Redactor()
        lines = "\n".join(map(_harmless, hide.text(body).splitlines()))
        short = lines if len(lines) <= MAX_BODY else lines[: MAX_BODY - len(_CUT)] + _CUT
        return cls(kind, _harmless(hide.text(title))[:MAX_TITLE], short)


def _harmless(line: str) -> str:
    return _MENTION.sub("＠", escape_controls(line).translate(_ANGLES))  # noqa: RUF001  the full-width sign mentions nobody
