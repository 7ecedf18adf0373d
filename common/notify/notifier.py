"""Sends messages: kept first, then sent to all addresses side by side, within a time that is bounded.

What does not go stays in the outbox for the next call. A process that is killed between sending a message and noting
it sends it once more: better twice than never.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from common.notify.address import AlertAddress
from common.notify.message import Message
from common.notify.outbox import Outbox, Pending

log = logging.getLogger(__name__)

#: The longest that sending takes in all (s), whatever the servers do, and the pause before the second try.
DEADLINE_S: Final = 20.0
PAUSE_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message for an address, which is named as it may be shown. ``problem``: '' if it went."""

    address: str
    title: str
    problem: str

    def __str__(self) -> str:
        return f"{self.address}: {self.title}{f' ({self.problem})' if self.problem else ''}"


class Notifier:
    """The addresses of ``ALERT_URLS``, and the outbox of what they are sent. Thread-safe.

    Sending takes ``deadline_s`` at most in all. What does not go is tried twice, ``pause_s`` apart.
    """

    def __init__(
        self,
        addresses: Sequence[AlertAddress],
        outbox: Outbox,
        *,
        deadline_s: float = DEADLINE_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.addresses = tuple(addresses)
        self.outbox = outbox
        self._by_name = {str(address): address for address in addresses}
        self._deadline_s = deadline_s
        self._pause_s = pause_s

    def tell(self, topic: str, event: str, message: Message) -> bool:
        """Keep a message about an event, unless it was told; ``deliver`` sends it. Returns whether it is new."""
        return self.tell_all(topic, [event], lambda _: message)

    def tell_all(self, topic: str, events: Sequence[str], compose: Callable[[Collection[str]], Message]) -> bool:
        """The same for several events that one message tells of: ``compose`` makes it of those that are new."""
        return self.outbox.add(topic, events, list(self._by_name), compose)

    def deliver(self) -> list[Delivery]:
        """Send all that waits, the messages of earlier runs too; what does not go waits on. Logs what is given up.

        Raises StoreUnavailable; what is on its way then may be sent again.
        """
        for name, title in self.outbox.give_up():
            log.error("LOST: the message %r to %s could not be sent for three days and is given up", title, name)
        waiting = self.outbox.take(list(self._by_name))
        problems = self._send(waiting)
        for pending, problem in zip(waiting, problems, strict=True):
            self.outbox.settle(pending, problem)
        return [
            Delivery(pending.address, pending.message.title, problem)
            for pending, problem in zip(waiting, problems, strict=True)
        ]

    def _send(self, waiting: Sequence[Pending]) -> list[str]:
        return send_all(
            [(self._by_name[each.address], each.message) for each in waiting], self._deadline_s, self._pause_s
        )


def send_all(
    messages: Sequence[tuple[AlertAddress, Message]], deadline_s: float = DEADLINE_S, pause_s: float = PAUSE_S
) -> list[str]:
    """Send each message, the addresses side by side; return of each '' or why it did not go. Nothing is remembered."""
    until = time.monotonic() + deadline_s
    problems = [f"it did not answer within {deadline_s:g} s"] * len(messages)

    def send_those_of(address: AlertAddress) -> None:
        away = False
        for number, (of, message) in enumerate(messages):
            if time.monotonic() >= until:
                return  # the caller has gone on and takes the rest for unsent: sent now, it would be told twice
            if of == address:
                problems[number] = _send_one(address, message)
                if problems[number] and not away and time.monotonic() + pause_s < until:
                    time.sleep(pause_s)
                    problems[number] = _send_one(address, message)
                away = away or bool(problems[number])  # then no other message waits for it once more

    # Daemons: a server that keeps us waiting holds up neither the caller nor the end of the process.
    threads = [
        threading.Thread(target=send_those_of, args=(address,), daemon=True, name="notify")
        for address in dict.fromkeys(address for address, _ in messages)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return problems.copy()


def _send_one(address: AlertAddress, message: Message) -> str:
    from common.notify import apprise_client  # noqa: PLC0415  a tenth of a second, which nobody pays without an address

    return apprise_client.send(address, message)
