"""How many symbols share a task, and how many tasks are under way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.quota.quota import PLANS, Quota
from common.settings import DagSettings
from workers.pipeline.batching import fetches_at_once, symbols_per_task

FAST = Quota.parse("100000/s")


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
def test_symbols_share_a_task_where_that_saves_time(
    count: int, quota: Quota, most_tasks: int, wanted: int | None, expected: int
):
    """One symbol a task while that costs nothing, batches for all the slots beyond, never more than ``most_tasks``."""
    assert symbols_per_task(count, quota, most_tasks=most_tasks, concurrency=8, wanted=wanted) == expected


@given(st.integers(0, 60_000), st.integers(1, 10_000), st.none() | st.integers(1, 10_000))
def test_the_tasks_hold_every_symbol(count: int, most_tasks: int, wanted: int | None):
    """Whatever the setting, there are never more tasks than allowed."""
    size = symbols_per_task(count, FAST, most_tasks=most_tasks, concurrency=8, wanted=wanted)
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
def test_no_more_tasks_are_started_than_the_quota_can_feed(variables: dict[str, str], tasks: int):
    """A slow quota keeps few tasks under way; a number of one's own wins."""
    settings = DagSettings.from_environment(variables)
    assert fetches_at_once(settings.quota, settings.max_active_fetches) == tasks
