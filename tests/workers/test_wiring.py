"""The collaborators of one process, and how they end."""

import pytest

from common.errors import StoreUnavailable
from tests.support.wiring import wired


def test_a_failed_close_closes_the_others(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """The limiter is closed though the store, which was made after it, fails to close."""

    def fail() -> None:
        raise StoreUnavailable("gone")

    opened, closed = wired(environment), []
    monkeypatch.setattr(opened.store, "close", fail)
    monkeypatch.setattr(opened.limiter, "close", lambda: closed.append("limiter"))
    with pytest.raises(StoreUnavailable, match="gone"):
        opened.close()
    assert closed == ["limiter"]


def test_unmade_collaborator_is_not_closed(environment: dict[str, str]):
    """What was never needed is not made in order to be closed."""
    opened = wired(environment)
    opened.close()
    assert "client" not in vars(opened)
