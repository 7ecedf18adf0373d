"""The door to Airflow for replays."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from sandbox.running import RunningSandbox
from tests.pipeline.test_replay import LENIENT, WAITING, refuse
from tests.support.market import Market
from tests.support.replies import quote_document
from tests.support.rows import NOON
from tests.support.wiring import wired
from workers import airflow_operator
from workers.airflow_replay import ReplayRefused
from workers.wiring import Wiring


@pytest.fixture
def set_up(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    monkeypatch.setattr(airflow_operator, "mask_secret", lambda _: None)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with wired(environment) as wiring:
        yield wiring


def replayed(**parameters: object) -> dict[str, int]:
    return ReplayRefused(task_id="replay").execute(
        {"params": parameters, "run_id": "manual__1", "ti": SimpleNamespace(try_number=1)}
    )


def test_the_form_chooses(set_up: Wiring, market: Market, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch):
    """Dataset, reason and dry run are the form's; what it replays is stored, without a call."""
    refuse(set_up.store, quote_document(change="5.0000"), "change_mismatch")
    assert replayed() == {"refused": 1}
    monkeypatch.setattr(*LENIENT)
    assert replayed(dataset="splits") == replayed(reason="not_a_number") == {}
    assert replayed(dry_run=True) == {"stored": 1}
    assert market.query(WAITING) == [(1,)]
    assert replayed(dataset="quotes", reason="change_mismatch", dry_run=False) == {"stored": 1}
    assert market.query("SELECT data_timestamp FROM stock_quotes") == [(NOON,)]
    assert (market.query(WAITING), sandbox.entries()) == ([(0,)], [])
