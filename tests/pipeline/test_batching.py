"""How many symbols share a task, and how many tasks are under way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.datasets.bulk_quotes import BULK
from common.quota.quota import PLANS, Quota
from common.settings import DagSettings
from common.values import Symbol
from workers.pipeline.batching import fetches_at_once, symbols_per_task
from workers.pipeline.shared_calls import calls_of, calls_up_to

FAST = Quota.parse("100000/s")
QUOTES_IN_BULK = BULK["quotes"]
US, ABROAD = (
    [Symbol(f"S{number:04}") for number in range(1000)],
    [Symbol(f"S{number:04}.LON") for number in range(1000)],
)


@pytest.mark.parametrize(
    ("count", "quota", "most_tasks", "wanted", "expected"),
    [
        (0, FAST, 500, None, 1),
        (4, FAST, 500, None, 1),
        (100, FAST, 500, None, 1),
        (101, FAST, 500, None, 8),  # small batches, but no more than have enough calls out
        (1000, FAST, 500, None, 63),
        (10_000, FAST, 500, None, 250),
        (500, PLANS["premium75"], 500, None, 1),
        (501, PLANS["premium75"], 500, None, 167),
        (500, PLANS["premium600"], 500, None, 167),
        (10_000, PLANS["premium1200"], 500, None, 3334),
        (200, Quota.parse("20/s,2000/day"), 500, None, 67),
        (50_000, FAST, 100, None, 500),
        (10, FAST, 500, 4, 4),
        (1000, FAST, 500, 1, 2),
    ],
)
def test_symbols_share_tasks_to_save_time(count: int, quota: Quota, most_tasks: int, wanted: int | None, expected: int):
    """One symbol a task while that costs nothing, batches for all the slots beyond, never more than ``most_tasks``."""
    assert symbols_per_task(count, quota, most_tasks=most_tasks, concurrency=8, wanted=wanted) == expected


@pytest.mark.parametrize(
    ("count", "quota", "expected"),
    [
        (2, PLANS["premium75"], 100),
        (100, PLANS["premium1200"], 100),
        (250, PLANS["premium1200"], 100),  # three tasks, of which one is half full
        (10_000, PLANS["premium75"], 3400),
        (10_000, PLANS["premium1200"], 2000),
        (10_000, FAST, 800),
        (200_000, FAST, 1000),
    ],
)
def test_no_shared_call_begins_in_vain(count: int, quota: Quota, expected: int):
    """Where calls are shared, a batch is a multiple of what they bring, and the run makes as few as there can be."""
    size = symbols_per_task(count, quota, most_tasks=500, concurrency=8, a_call=100)
    assert size == expected
    batches = [min(size, count - first) for first in range(0, count, size)]
    assert sum(-(-batch // 100) for batch in batches) == -(-count // 100)


@pytest.mark.parametrize(
    ("symbols", "size", "calls"),
    [
        (US, 1000, 10),
        (US, 250, 12),  # a setting of one's own that fits no call
        (US, 1, 1000),
        (US[:201], 1000, 3),
        (ABROAD, 1000, 1000),
        ([*US[:250], *ABROAD[:5]], 300, 8),
        ([], 100, 0),
    ],
)
def test_calls_of_plan_are_counted(symbols: list[Symbol], size: int, calls: int):
    """US symbols of one batch share calls, one that is left over has its own, and so has each of another exchange."""
    assert calls_of(symbols, size, QUOTES_IN_BULK) == calls
    assert calls_of(symbols, size, None) == len(symbols)


def test_each_symbol_knows_its_call():
    """In the order of the plan a shared call comes with its first symbol, and serves those after it too."""
    symbols = [US[0], ABROAD[0], *US[1:101], ABROAD[1]]
    assert calls_up_to(symbols, QUOTES_IN_BULK) == [1, *[2] * 100, 3, 4]
    assert calls_up_to(symbols, None) == [*range(1, 104)]


@given(st.integers(0, 60_000), st.integers(1, 10_000), st.none() | st.integers(1, 10_000), st.sampled_from([1, 100]))
def test_the_tasks_hold_every_symbol(count: int, most_tasks: int, wanted: int | None, a_call: int):
    """Whatever the setting, there are never more tasks than allowed."""
    size = symbols_per_task(count, FAST, most_tasks=most_tasks, concurrency=8, wanted=wanted, a_call=a_call)
    assert size >= 1
    assert -(-count // size) <= most_tasks


@pytest.mark.parametrize(
    ("variables", "tasks"),
    [
        ({}, 4),
        ({"ALPHA_VANTAGE_PLAN": "premium75"}, 5),
        ({"ALPHA_VANTAGE_PLAN": "premium1200"}, 32),
        ({"ALPHA_VANTAGE_QUOTA": "25/day"}, 4),
        ({"ALPHA_VANTAGE_PLAN": "premium75", "MAX_ACTIVE_FETCHES": "50"}, 50),
    ],
)
def test_no_more_tasks_than_quota_feeds(variables: dict[str, str], tasks: int):
    """A slow quota keeps few tasks under way; a number of one's own wins."""
    settings = DagSettings.from_environment(variables)
    assert fetches_at_once(settings.quota, settings.max_active_fetches) == tasks
