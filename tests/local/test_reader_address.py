"""The address at which a person's own programs read what the local cluster stores."""

from pathlib import Path

from common.database import url
from local.environment import reader_address
from local.state import PREFERRED_PORTS, State


def test_the_readers_address(tmp_path: Path):
    """It names the reading role, its own password and the database, and is one that libpq can read."""
    state = State(tmp_path / "state")
    state.prepare()
    parts = url.read(reader_address(state, PREFERRED_PORTS, "market_sandbox"), "ADDRESS")
    assert parts == {
        "user": "market_reader",
        "password": state.secrets()["market_reader"],
        "host": "127.0.0.1",
        "port": str(PREFERRED_PORTS["postgres"]),
        "dbname": "market_sandbox",
    }
