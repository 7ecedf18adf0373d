"""The outbox: which event was told to which address, and what waits to be sent. Table ``notifications``."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from psycopg2.extensions import cursor as Cursor

from common.database.pool import Connections
from common.database.queries import statement
from common.database.rows import MAX_SENTENCE, storable
from common.notify.message import Kind, Message

#: How long a message stays with the process that sends it: longer than any send, so that no other one sends it too.
LEASE: Final = timedelta(minutes=2)
#: After so long nobody wants to read it any more: it is given up, and said to be lost.
LOST_AFTER: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Pending:
    """A message that waits for an address, which is named as it may be shown."""

    message_id: str
    address: str
    message: Message


class Outbox:
    """The lines of ``notifications``. Thread-safe; each method is one transaction, raises what ``Connections`` does.

    Addresses are named as they may be shown.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def add(
        self,
        topic: str,
        events: Sequence[str],
        addresses: Sequence[str],
        compose: Callable[[Collection[str]], Message],
    ) -> bool:
        """Keep one message for each address about those of the events that it was not told yet.

        ``compose`` makes it of those events. Returns whether there were any.
        """

        def add(cursor: Cursor) -> bool:
            values = {"message_id": str(uuid4()), "topic": topic, "events": list(events), "addresses": list(addresses)}
            cursor.execute(statement("add_notifications"), values)
            added = {event for (event,) in cursor.fetchall()}
            if added:
                message = compose(added)
                texts = {name: storable(getattr(message, name), MAX_SENTENCE) for name in ("kind", "title", "body")}
                cursor.execute(statement("write_notification"), values | texts)
            return bool(added)

        return self._connections.run(add)

    def take(self, addresses: Sequence[str]) -> list[Pending]:
        """Take what waits for these addresses, the oldest first; until its lease ends nobody else is given it."""
        values = {"addresses": list(addresses), "lease_s": LEASE.total_seconds()}
        rows = self._connections.query("take_notifications", values)
        return [Pending(key, address, Message(Kind(kind), title, body)) for key, address, kind, title, body in rows]

    def settle(self, pending: Pending, problem: str) -> None:
        """Note that a message was sent or, with a problem, that it waits for another try."""
        values = {
            "message_id": pending.message_id,
            "address": pending.address,
            "error": storable(problem, MAX_SENTENCE),
        }
        self._connections.execute("settle_notification", values)

    def give_up(self) -> list[tuple[str, str]]:
        """Give up what has waited for too long; return the address and the title of each."""
        rows = self._connections.query("give_up_notifications", {"lost_after_s": LOST_AFTER.total_seconds()})
        return [(str(address), str(title)) for address, title in rows]

    def events(self, topic: str, prefix: str) -> frozenset[str]:
        """Return the events of a topic that were told, of those whose names begin so."""
        rows = self._connections.query("told_events", {"topic": topic, "prefix": prefix})
        return frozenset(str(event) for (event,) in rows)

    def unsent(self, events: Collection[str]) -> int:
        """Return for how many addresses a message about one of the events waits."""
        return int(self._connections.query("unsent_notifications", {"events": list(events)})[0][0])

    def waiting(self) -> tuple[int, datetime | None]:
        """Return how many messages wait, and since when the oldest one does."""
        count, since = self._connections.query("waiting_notifications", {})[0]
        return int(count), since

    def last_told(self, topic: str, *, but: Sequence[str] = ()) -> dict[Kind, datetime]:
        """Return when each kind of message of a topic was made last, leaving out those of the events ``but``."""
        rows = self._connections.query("last_notifications", {"topic": topic, "but": list(but)})
        return {Kind(kind): at for kind, at in rows}
