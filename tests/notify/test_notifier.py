"""Messages on their way: each arrives once at each address, waits while a server is away, and shows no secret."""

import logging
import threading

import pytest
from pydantic import SecretStr

from common.notify import Kind, Message, Notifier, read_addresses, send_all
from common.notify.outbox import LOST_AFTER, Outbox
from common.store import Store
from local.ports import free_port
from tests.support.inboxes import Hook, Inbox, running_inbox
from tests.support.market import Market

MESSAGE = Message.of(Kind.FAILED, "a run failed", "IBM: no reply\n\nLook: http://localhost:8080/dags/x/runs/1")


def test_message_arrives_at_each_address(notifier: Notifier, inbox: Inbox, hook: Hook):
    """Mail server and webhook get the message as plain text, and the webhook its header."""
    assert notifier.tell("dag", "run 1 failed", MESSAGE)
    deliveries = notifier.deliver()
    assert [delivery.problem for delivery in deliveries] == ["", ""]
    assert inbox.texts() == [f"a run failed\n{MESSAGE.body}\n"]
    assert [(post["title"], post["message"], post["type"]) for post in hook.posts] == [
        ("a run failed", MESSAGE.body, "failure")
    ]
    assert hook.headers[0]["Authorization"] == "token-in-a-header"


def test_event_is_told_once(notifier: Notifier, inbox: Inbox, hook: Hook):
    """The same event again, as of a task that was cleared, sends nothing; another one does."""
    assert notifier.tell("dag", "run 1 failed", MESSAGE)
    notifier.deliver()
    assert not notifier.tell("dag", "run 1 failed", MESSAGE)
    assert notifier.deliver() == []
    assert notifier.tell("dag", "run 2 failed", MESSAGE)
    notifier.deliver()
    assert (len(inbox.mails), len(hook.posts)) == (2, 2)


def test_what_waits_is_sent_later(store: Store, hook: Hook):
    """A mail server that is away gets its message with the next run, and the webhook gets none twice."""
    port = free_port()
    addresses = read_addresses(SecretStr(f"{Inbox(port).url} {hook.url}"))
    notifier = Notifier(addresses, store.notifications, pause_s=0)
    notifier.tell("dag", "run 1 failed", MESSAGE)
    problems = {delivery.address: delivery.problem for delivery in notifier.deliver()}
    assert "Connection refused" in problems[str(addresses[0])]
    assert problems[str(addresses[1])] == ""
    assert store.notifications.waiting()[0] == 1
    with running_inbox(port) as inbox:
        assert [delivery.problem for delivery in notifier.deliver()] == [""]
        assert inbox.texts() == [f"a run failed\n{MESSAGE.body}\n"]
    assert len(hook.posts) == 1
    assert store.notifications.waiting() == (0, None)


@pytest.mark.parametrize("status", [401, 500])
def test_refusal_keeps_the_message(notifier: Notifier, inbox: Inbox, hook: Hook, status: int):
    """What a server refuses waits, with the reason, and arrives once it takes it."""
    inbox.refuses, hook.status = True, status
    notifier.tell("dag", "run 1 failed", MESSAGE)
    assert all(delivery.problem for delivery in notifier.deliver())
    inbox.refuses, hook.status = False, 200
    assert [delivery.problem for delivery in notifier.deliver()] == ["", ""]
    assert (len(inbox.mails), len(hook.posts)) == (1, 1)


def test_two_processes_send_it_once(notifier: Notifier, store: Store, inbox: Inbox, hook: Hook):
    """Processes that deliver at the same time send each message once between them."""
    for number in range(5):
        notifier.tell("dag", f"run {number} failed", MESSAGE)
    others = [threading.Thread(target=notifier.deliver) for _ in range(3)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join()
    assert (len(inbox.mails), len(hook.posts)) == (5, 5)


def test_silent_server_is_not_waited_for(store: Store):
    """A server that accepts and says nothing costs the time-out, not more; its message waits."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mailto://127.0.0.1:{silent.getsockname()[1]}?from=a@example.com&to=b@example.com&mode=insecure"
        notifier = Notifier(read_addresses(SecretStr(url)), store.notifications, deadline_s=0.5)
        notifier.tell("dag", "run 1 failed", MESSAGE)
        assert [delivery.problem for delivery in notifier.deliver()] == ["it did not answer within 0.5 s"]
    assert store.notifications.waiting()[0] == 1


def test_lost_message_is_said(store: Store, market: Market, caplog: pytest.LogCaptureFixture):
    """After three days a message is given up, and the log says which one, and to whom."""
    store.notifications.add("dag", ["run 1 failed"], ["mailto://gone.example.com (0000)"], lambda _: MESSAGE)
    market.query("UPDATE notifications SET created_at = created_at - %s - interval '1 minute'", LOST_AFTER)
    Notifier([], store.notifications).deliver()
    assert "LOST: the message 'a run failed' to mailto://gone.example.com (0000)" in caplog.text
    assert store.notifications.waiting() == (0, None)


def test_no_secret_is_left_behind(
    notifier: Notifier, inbox: Inbox, hook: Hook, market: Market, caplog: pytest.LogCaptureFixture
):
    """After a success, a refusal and a server that is gone no log, answer or row has a piece of an address."""
    caplog.set_level(logging.DEBUG)
    deliveries = []
    for refused, status in ((False, 200), (True, 403)):
        inbox.refuses, hook.status = refused, status
        notifier.tell("dag", f"run {status}", MESSAGE)
        deliveries += notifier.deliver()
    hook.server_close()
    deliveries += notifier.deliver()
    seen = f"{deliveries} {caplog.text} {market.query('SELECT * FROM notifications')}"
    secrets = {"pw-of-the-mail-server", "mailer", "token-in-the-path", "token-in-a-header"}
    assert [secret for secret in secrets if secret in seen] == []


def test_events_of_one_message(store: Store):
    """A message that tells several events tells only those that are new to an address."""
    told: list[set[str]] = []

    def compose(events: object) -> Message:
        told.append(set(events))  # type: ignore[call-overload]
        return MESSAGE

    outbox: Outbox = store.notifications
    assert outbox.add("alerts", ["a firing", "b firing"], ["x"], compose)
    assert outbox.add("alerts", ["a firing", "b firing", "c firing"], ["x"], compose)
    assert not outbox.add("alerts", ["b firing"], ["x"], compose)
    assert told == [{"a firing", "b firing"}, {"c firing"}]
    assert len(outbox.take(["x"])) == 2


def test_refused_recipient_repeats_nothing(store: Store, inbox: Inbox):
    """Where one of two recipients is refused, the other gets the message once, however often it is tried."""
    inbox.unknown = "nobody@example.com"
    url = inbox.url.replace("to=b@example.com", "to=b@example.com,nobody@example.com")
    notifier = Notifier(read_addresses(SecretStr(url)), store.notifications, pause_s=0)
    notifier.tell("dag", "run 1 failed", MESSAGE)
    for _ in range(2):
        assert [delivery for delivery in notifier.deliver() if delivery.problem]
    assert [mail["To"] for mail in inbox.mails] == ["b@example.com"]


def test_nothing_is_sent_late(hook: Hook):
    """What has not begun at the deadline is not sent after it: the caller took it for unsent, and sends it again."""
    [address] = read_addresses(SecretStr(hook.url))
    hook.answers.clear()
    problems = send_all([(address, MESSAGE), (address, MESSAGE)], deadline_s=0.3, pause_s=0)
    assert problems == ["it did not answer within 0.3 s"] * 2
    hook.answers.set()
    for thread in threading.enumerate():
        if thread.name == "notify":
            thread.join()
    assert len(hook.posts) == 1


def test_defect_of_apprise_is_a_problem(store: Store, hook: Hook):
    """An address that Apprise takes and then stumbles over has its message wait, and the others have theirs."""
    wrong = hook.url.replace("json://", "json://user:hunter2\u20ac@")
    notifier = Notifier(read_addresses(SecretStr(f"{wrong} {hook.url}")), store.notifications, pause_s=0)
    notifier.tell("dag", "run 1 failed", MESSAGE)
    first, second = sorted(notifier.deliver(), key=lambda delivery: delivery.problem, reverse=True)
    assert "Apprise failed (UnicodeEncodeError)" in first.problem
    assert "hunter2" not in str(first)
    assert second.problem == ""
    assert len(hook.posts) == 1
