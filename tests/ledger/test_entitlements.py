"""What the provider refuses to a key as premium, and when it is asked again."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from common.ledger import Entitlements
from common.store import Store
from tests.support.market import Market
from tests.support.wiring import wired

BULK = "REALTIME_BULK_QUOTES"
WEEK = timedelta(days=7)
LATER = "UPDATE refused_features SET refused_at = refused_at - %s, asked_again_at = asked_again_at - %s"


def of(store: Store, key: str = "key", plan: str = "premium75") -> Entitlements:
    return store.entitlements(key, plan, holds_for=WEEK)


def test_a_refusal_holds_for_its_feature(store: Store, caplog: pytest.LogCaptureFixture):
    """A refused feature is not asked for, and that is said once; others are not touched."""
    known = of(store)
    assert known.refused_at(BULK) is None
    assert known.may_ask(BULK)
    with caplog.at_level(logging.WARNING):
        known.refuse(BULK, "a premium endpoint\x00")
        known.refuse(BULK, "a premium endpoint")
    assert abs(known.refused_at(BULK) - datetime.now(UTC)) < timedelta(hours=1)
    assert not known.may_ask(BULK)
    assert known.may_ask("TIME_SERIES_DAILY full")
    [said] = caplog.messages
    assert BULK in said
    assert "a premium endpoint\ufffd" in said


@pytest.mark.parametrize("change", [{"key": "another"}, {"plan": "premium600"}])
def test_another_key_or_plan_asks_again(store: Store, change: dict[str, str]):
    """What was refused to a key under a plan says nothing of another key, nor of another plan."""
    of(store).refuse(BULK, "premium")
    assert of(store, **change).refused_at(BULK) is None
    assert of(store, **change).may_ask(BULK)
    of(store, **change).refuse(BULK, "premium")
    assert not of(store, **change).may_ask(BULK)


def test_a_week_later_one_asks_again(store: Store, market: Market):
    """When a refusal is over, one caller of many is let through; what it hears holds for all."""
    known = of(store)
    known.refuse(BULK, "premium")
    market.query(LATER, WEEK, WEEK)
    assert known.refused_at(BULK) is None
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(lambda _: known.may_ask(BULK), range(20))) == 1
    known.refuse(BULK, "premium still")
    assert not known.may_ask(BULK)
    assert market.query("SELECT message FROM refused_features") == [("premium still",)]
    market.query(LATER, WEEK, WEEK)
    assert known.may_ask(BULK)
    known.allow(BULK)
    assert all(known.may_ask(BULK) for _ in range(3))


def test_who_never_answers_is_replaced(store: Store, market: Market):
    """Where the one that asked again was killed, another one may an hour later."""
    known = of(store)
    known.refuse(BULK, "premium")
    market.query(LATER, WEEK, WEEK)
    assert known.may_ask(BULK)
    assert not known.may_ask(BULK)
    market.query(LATER, timedelta(hours=1), timedelta(hours=1))
    assert known.may_ask(BULK)


def test_wiring_tells_keys_and_plans_apart(environment: dict[str, str], market: Market):
    """A worker's key and plan are those of its settings, and the key itself is stored nowhere."""
    settings = [{}, {"ALPHA_VANTAGE_API_KEY": "OTHERKEY"}, {"ALPHA_VANTAGE_PLAN": "premium75"}]
    with ExitStack() as stack:
        wirings = [stack.enter_context(wired(environment, ALPHA_VANTAGE_QUOTA="", **each)) for each in settings]
        wirings[1].entitlements.refuse(BULK, "premium")
        assert [bool(each.entitlements.refused_at(BULK)) for each in wirings] == [False, True, False]
    [row] = market.query("SELECT refused_features::text FROM refused_features")
    assert "OTHERKEY" not in row[0]
