"""The only user of Apprise. Its log shows addresses whole, so it is heard here alone, and redacted.

https://appriseit.com says what the address of each service looks like.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
from apprise.plugins import NotifyBase

from common.notify.address import AlertAddress
from common.notify.message import Kind, Message
from common.redaction import one_line

_ASSET: Final = AppriseAsset(
    app_id="Stock data pipeline", app_desc="Stock data pipeline", app_url="", async_mode=False, storage_path=None
)
_TYPES: Final = {Kind.RECOVERED: NotifyType.SUCCESS, Kind.TEST: NotifyType.INFO, Kind.FAILED: NotifyType.FAILURE}
#: How Apprise begins the line, at its lowest level, that says why a connection failed.
_CAUSE: Final = "Socket Exception: "
_MAX_REASON: Final = 300
#: Loggers below Apprise that show the path of a URL, at their lowest level: tokens stand there.
_SHOW_PATHS: Final = ("urllib3.connectionpool", "urllib3.util.retry")


class _Listener(logging.Handler):
    """Keeps what Apprise says on the threads that listen, and shows nobody the rest."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self._heard = threading.local()

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        logger = logging.getLogger("apprise")
        logger.propagate, logger.disabled = False, False  # whatever a configuration of logging did to it since
        logger.setLevel(logging.DEBUG)
        logger.handlers = [self]
        for name in _SHOW_PATHS:
            logging.getLogger(name).addFilter(self.is_elsewhere)  # the same filter once more is none
        lines: list[str] = []
        self._heard.lines = lines
        try:
            yield lines
        finally:
            del self._heard.lines

    def is_elsewhere(self, record: logging.LogRecord) -> bool:
        """Whether a record of another logger is not of a thread that sends."""
        return not hasattr(self._heard, "lines")

    def emit(self, record: logging.LogRecord) -> None:
        lines = getattr(self._heard, "lines", None)
        text = record.getMessage()
        if lines is not None and (record.levelno >= logging.WARNING or text.startswith(_CAUSE)):
            lines.append(text.removeprefix(_CAUSE))


_LISTENER: Final = _Listener()


def can_use(address: AlertAddress) -> bool:
    """Whether Apprise knows the service, and has what it needs for it. Nothing is sent."""
    with _LISTENER.listening():
        return _plugin(address) is not None


def send(address: AlertAddress, message: Message) -> str:
    """Send a message, as plain text; return '' or why it did not go, without a secret."""
    with _LISTENER.listening() as heard:
        plugin = _plugin(address)
        if plugin is None:
            return "the service is not known, or its address lacks something"
        try:
            went = plugin.notify(
                body=message.body,
                title=message.title,
                notify_type=_TYPES.get(message.kind, NotifyType.WARNING),
                body_format=NotifyFormat.TEXT,
            )
        except Exception as error:  # noqa: BLE001  Apprise lets some through: for a password that is no Latin-1, say
            return f"Apprise failed ({type(error).__name__}): see whether the address has a letter that it cannot send"
        if went:
            return ""
        return one_line(address.redactor().text("; ".join(heard)), _MAX_REASON) or "the service did not take it"


def _plugin(address: AlertAddress) -> NotifyBase | None:
    plugin = Apprise.instantiate(address.url.get_secret_value(), asset=_ASSET, suppress_exceptions=True)
    return plugin if isinstance(plugin, NotifyBase) else None
