"""When splits are asked for: once a month, and when a price has jumped without one that is known."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from common.datasets.corporate_actions import ACTIONS, CorporateAction
from common.values import OutcomeStatus, Symbol
from tests.support.market import Market
from tests.support.rows import MONDAY, bar, outcome, save_bars
from workers.pipeline.planning import NOT_DUE
from workers.pipeline.run import plan_run
from workers.wiring import Wiring

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

IBM = Symbol("IBM")
FRIDAY = date(2026, 10, 2)


def asked_before(wiring: Wiring, market: Market) -> None:
    """Let the provider have answered for splits an hour before the bars that are stored from now on."""
    wiring.store.ledger.record_outcomes([outcome("IBM", OutcomeStatus.STORED, run_id="old", dataset="splits")])
    market.query("UPDATE fetch_outcomes SET finished_at = now() - interval '1 hour'")


def save_closes(wiring: Wiring, **closes: str) -> None:
    days = {"friday": FRIDAY, "monday": MONDAY}
    save_bars(
        wiring.store,
        [bar(session=days[name], **dict.fromkeys(PRICES, Decimal(close))) for name, close in closes.items()],
    )


PRICES = ("open_price", "high_price", "low_price", "close_price")


def splits_plan(wiring: Wiring, run_id: str = "splits:now"):
    return plan_run(wiring, run_id, ["IBM"], feed="splits", force=False)


@pytest.mark.parametrize(("close", "due"), [("51", True), ("70", False), ("151", True), ("400", True)])
def test_a_jump_is_asked_about(wiring: Wiring, market: Market, close: str, due: bool):
    """What moves as in a split makes the symbol due before its month is over, and a bad day does not."""
    asked_before(wiring, market)
    save_closes(wiring, friday="100", monday=close)
    plan = splits_plan(wiring)
    assert plan.fetch == ((IBM,) if due else ())
    assert [left.reason for left in plan.skip] == ([] if due else [NOT_DUE])


def test_a_known_split_explains_its_jump(wiring: Wiring, market: Market):
    """The jump of a split that is stored is no reason to ask; it is one again when the split is withdrawn."""
    asked_before(wiring, market)
    save_closes(wiring, friday="100", monday="50")
    split = CorporateAction(IBM, "split", MONDAY, numerator=2, denominator=1, provider_text="2.0")
    wiring.store.save({ACTIONS: [split]})
    assert splits_plan(wiring).fetch == ()
    other = CorporateAction(IBM, "split", MONDAY - timedelta(days=900), numerator=3, denominator=1, provider_text="3.0")
    wiring.store.save({ACTIONS: [other]})
    assert splits_plan(wiring, "splits:later").fetch == (IBM,)


def test_a_jump_is_asked_about_once(wiring: Wiring, market: Market):
    """Where the answer after the jump knows of no split the symbol waits for its month like any other."""
    asked_before(wiring, market)
    save_closes(wiring, friday="100", monday="50")
    wiring.store.ledger.record_outcomes([outcome("IBM", OutcomeStatus.STORED, run_id="new", dataset="splits")])
    assert splits_plan(wiring).fetch == ()
