"""Messages to people: to whom (``ALERT_URLS``), what, and what of it has been sent."""

from common.notify.address import AlertAddress, read_addresses
from common.notify.message import Kind, Message
from common.notify.notifier import Delivery, Notifier, send_all
from common.notify.outbox import Outbox

__all__ = ["AlertAddress", "Delivery", "Kind", "Message", "Notifier", "Outbox", "read_addresses", "send_all"]
