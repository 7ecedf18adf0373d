"""What a line of our logs says besides its words: run, symbol, attempt, worker; and how it looks outside of Airflow.

``bound`` ties them to everything that is logged below, by whatever module. Airflow writes its task logs with the same
library, structlog, so they stand in these too. A thread begins without them: start it with ``copy_context().run``.
"""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from structlog.contextvars import bound_contextvars as bound
from structlog.contextvars import get_contextvars

from common.redaction import RedactingFilter, Redactor

__all__ = ["PLAIN", "TIMED", "LogFormatter", "bound", "configure"]

#: A line for a person: of a command, and of a process that runs on.
PLAIN: Final = "%(levelname)s %(message)s"
TIMED: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


class LogFormatter(logging.Formatter):
    """Formats a line for a person, or as one JSON object with the names that Airflow's logs have.

    For a person what is bound stands in brackets behind the words.
    """

    def __init__(self, plain: str = PLAIN, *, as_json: bool = False) -> None:
        super().__init__(plain)
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with a traceback where there is one."""
        context = {name: str(value) for name, value in get_contextvars().items()}
        return self._json(record, context) if self._as_json else super().format(record)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the base class's
        """Return the line without its traceback."""
        context = "".join(f" {name}={value}" for name, value in sorted(get_contextvars().items()))
        return f"{super().formatMessage(record)}{f'  [{context[1:]}]' if context else ''}"

    def _json(self, record: logging.LogRecord, context: Mapping[str, str]) -> str:
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **context,
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["exception"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)


def configure(redactor: Redactor, *, as_json: bool, level: int = logging.INFO, plain: str = TIMED) -> logging.Handler:
    """Log what the process logs from ``level`` on to standard error, without secrets.

    Returns the handler, which a command takes away again at its end.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(LogFormatter(plain, as_json=as_json))
    handler.addFilter(RedactingFilter(redactor, escape=True))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level)
    return handler
