"""A mail server and a webhook for the tests of messages."""

from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from common.notify import Notifier, read_addresses
from common.store import Store
from tests.support.inboxes import Hook, Inbox, running_hook, running_inbox


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """A mail server."""
    with running_inbox() as running:
        yield running


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A webhook."""
    with running_hook() as running:
        yield running


@pytest.fixture
def notifier(store: Store, inbox: Inbox, hook: Hook) -> Notifier:
    """What tells both of them."""
    addresses = read_addresses(SecretStr(f"{inbox.url}, {hook.url}"))
    return Notifier(addresses, store.notifications, pause_s=0)
