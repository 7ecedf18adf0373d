"""The door to Airflow for the list of companies: when it is asked for, and how its end is told."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred

from common.errors import PayloadRejected
from sandbox.running import RunningSandbox
from tests.support.wiring import wired
from tests.universe.test_universe import company, functions, store_list
from workers import airflow_operator
from workers.airflow_universe import RenewListings
from workers.wiring import Wiring


@pytest.fixture
def set_up(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Wiring]:
    monkeypatch.setattr(airflow_operator, "mask_secret", lambda _: None)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with wired(environment) as wiring:
        yield wiring


def renew(run_type: str = "scheduled", permit_id: str = "", **parameters: object) -> dict[str, object]:
    run = {"run_id": "manual__1", "ti": SimpleNamespace(try_number=1)}
    context = {"dag_run": SimpleNamespace(run_type=run_type), "params": parameters, **run}
    return RenewListings(task_id="renew").execute(context, permit_id=permit_id)


@pytest.mark.usefixtures("set_up")
def test_a_typed_universe_costs_no_call(sandbox: RunningSandbox):
    """With a list of symbols in the settings the weekly run is skipped, with a word; a person's run is not."""
    with pytest.raises(AirflowSkipException, match="STOCK_SYMBOLS names its symbols"):
        renew()
    assert functions(sandbox) == []
    assert renew("manual")["new"] > 1000
    assert functions(sandbox) == ["LISTING_STATUS"]


@pytest.mark.usefixtures("set_up")
def test_a_chosen_universe_is_renewed(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch):
    """Where the settings choose from the list the weekly run fetches it and returns what changed."""
    monkeypatch.setenv("STOCK_SYMBOLS", "listing:NYSE")
    assert renew()["findings"] == {"wrong_width": 1, "not_a_date": 1}
    assert functions(sandbox) == ["LISTING_STATUS"]


def test_a_shrunk_list_is_red(set_up: Wiring):
    """It fails for good, with the remedy; the form's accept takes it over."""
    store_list(set_up, *(company(f"S{number}") for number in range(10_000)))
    with pytest.raises(AirflowFailException, match="trigger stock_universe with accept"):
        renew("manual")
    assert renew("manual", accept=True)["gone"] == 10_000


@pytest.mark.usefixtures("set_up")
def test_what_is_no_list_is_retried(sandbox: RunningSandbox):
    """A reply that is no list leaves as an error that Airflow tries again."""
    sandbox.change("faults", faults="garbage:1")
    with pytest.raises(PayloadRejected):
        renew("manual")


@pytest.mark.usefixtures("set_up")
def test_a_far_permit_defers_the_renewal(monkeypatch: pytest.MonkeyPatch):
    """The task holds no slot while it waits, and comes back with the permit that it waits for."""
    monkeypatch.setenv("ALPHA_VANTAGE_QUOTA", "1/30s")
    monkeypatch.setenv("QUOTA_WAIT_IN_PLACE", "0")
    renew("manual")
    with pytest.raises(TaskDeferred) as first:
        renew("manual")
    with pytest.raises(TaskDeferred) as second:
        renew("manual", **first.value.kwargs)
    assert first.value.kwargs["permit_id"]
    assert first.value.kwargs == second.value.kwargs
