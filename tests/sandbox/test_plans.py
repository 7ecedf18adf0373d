"""The sandbox's quotas and its judge, against models that count the slow way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.quota.quota import PLANS
from sandbox.plans import PLAN_NAMES, Meter, Window, parse_quota, plan_named
from sandbox.quota_audit import capacity, judge, most_in_window, share_used
from sandbox.request_log import Entry

timeless = settings(deadline=None)
GAPS = st.lists(st.sampled_from([0, 0.25, 0.5, 1, 1.5, 3, 7]), max_size=60)
WINDOWS = st.lists(
    st.builds(Window, st.integers(1, 6), st.sampled_from([0.5, 1, 2, 5, 10]), st.just("burst"), st.just("w")),
    min_size=1,
    max_size=3,
    unique_by=lambda window: window.period_s,
)


def times_of(gaps: list[float]) -> list[float]:
    now = 100.0
    return [now := now + gap for gap in gaps]


def counted_slowly(times: list[float], period_s: float) -> int:
    """The most in a window, by looking at every window that begins with a call."""
    return max((sum(start <= time < start + period_s for time in times) for start in times), default=0)


@timeless
@given(GAPS, st.sampled_from([0.5, 1, 2, 5, 10]))
def test_judge_counts_like_slow_model(gaps, period_s):
    """The most in any sliding window is what looking at every window gives."""
    times = times_of(gaps)
    assert most_in_window(times, period_s) == counted_slowly(times, period_s)


@timeless
@given(GAPS, WINDOWS, st.booleans())
def test_meter_decides_like_slow_model(gaps, windows, count_refused):
    """Each call is admitted exactly if every window before it holds fewer counted calls than its limit."""
    meter = Meter(windows, count_refused=count_refused)
    counted: list[float] = []
    for now in times_of(gaps):
        full = [w for w in windows if sum(now - time < w.period_s for time in counted) >= w.limit]
        refused_by = meter.arrive(now)
        assert refused_by == max(full, key=lambda window: window.period_s, default=None)
        if not full or count_refused:
            counted.append(now)


@timeless
@given(GAPS, WINDOWS, st.booleans())
def test_what_meter_admits_judge_accepts(gaps, windows, count_refused):
    """The admitted calls never exceed a window."""
    meter = Meter(windows, count_refused=count_refused)
    admitted = [now for now in times_of(gaps) if meter.arrive(now) is None]
    assert all(most_in_window(admitted, window.period_s) <= window.limit for window in windows)


def test_refusal_costs_only_where_counted():
    """Hammered every half second, 1/s admits one call in all if refusals count, and every second one if not."""
    times = [number / 2 for number in range(20)]
    for count_refused, admitted in ((True, 1), (False, 10)):
        meter = Meter(parse_quota("1/s"), count_refused=count_refused)
        assert sum(meter.arrive(now) is None for now in times) == admitted


def test_the_longest_full_window_is_named():
    """A used-up day is told before a burst."""
    meter = Meter(parse_quota("1/s,2/day"), count_refused=True)
    verdicts = [meter.arrive(now) for now in (0, 0.5, 2)]
    assert [window and window.kind for window in verdicts] == [None, "burst", "day"]


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("1/s,25/day", [(1, 1, "burst"), (25, 86_400, "day")]),
        ("75/15s", [(75, 15, "burst")]),
        ("25/60s", [(25, 60, "minute")]),
        (" 5 / min , 2/2hour", [(5, 60, "minute"), (2, 7200, "day")]),
        ("unlimited", []),
    ],
)
def test_a_quota_is_read(text, windows):
    """Windows are read with their kind, shortest first."""
    assert [(window.limit, window.period_s, window.kind) for window in parse_quota(text)] == windows


@pytest.mark.parametrize("text", ["0/s", "1", "1/fortnight", "1/s;2/min", "-1/s", "1/0s"])
def test_a_malformed_quota_is_named(text):
    """The part that cannot be read stands in the message."""
    with pytest.raises(ValueError, match="is not a quota window"):
        parse_quota(text)


def test_a_day_can_be_scaled():
    """Only the windows of an hour and more shrink with the day."""
    windows = plan_named("free", day_s=60).windows
    assert [(window.limit, window.period_s, window.kind) for window in windows] == [(1, 1, "burst"), (25, 60, "day")]


def test_plans_match_the_pipelines():
    """Both sides state the plans for themselves, and they agree."""
    assert set(PLANS) == set(PLAN_NAMES) - {"legacy", "unlimited"}
    for name, quota in PLANS.items():
        theirs = [(window.limit, window.period_s) for window in quota.windows]
        assert [(window.limit, window.period_s) for window in plan_named(name).windows] == theirs


@pytest.mark.parametrize(
    ("name", "quota", "premium"),
    [
        ("", "", False),
        ("free", "", False),
        ("legacy", "", False),
        ("premium75", "", True),
        ("premium75", "1/s,25/day", True),
        ("free", "75/min", False),
        ("", "75/min", True),
        ("", "1/s,25/day", False),
        ("", "unlimited", True),
    ],
)
def test_which_plan_is_premium(name, quota, premium):
    """A name decides; without one, a quota with a daily window is not premium."""
    assert plan_named(name, quota).premium is premium


def test_an_unknown_plan_is_named():
    """The message lists the plans."""
    with pytest.raises(ValueError, match="'gold' is not a plan: use one of free, legacy, premium75"):
        plan_named("gold")


def greedy_slowly(windows: list[Window], span_s: float) -> int:
    """Call whenever allowed, on a clock of half seconds: every period is a multiple of it."""
    times: list[float] = []
    for step in range(int(span_s * 2)):
        now = step / 2
        while all(sum(now - time < w.period_s for time in times) < w.limit for w in windows):
            times.append(now)
    return len(times)


@timeless
@given(WINDOWS, st.integers(1, 24))
def test_capacity_is_what_prompt_calls_get(windows, span_s):
    """The capacity of a span equals that of a simulated caller."""
    assert capacity(windows, span_s) == greedy_slowly(windows, span_s)


def test_the_share_used():
    """Half of what the windows allow in the span is a half; calls after it do not count."""
    windows = parse_quota("2/s,10/10s")
    assert capacity(windows, 20) == 20
    assert share_used([float(number) for number in range(10)] + [30.0, 31.0], windows, 20) == 0.5
    assert share_used([], windows, 20) == 0


def entry(number: int, at: float, verdict: str = "served", key: str = "k", *, counted: bool = True) -> Entry:
    return Entry(number, at, at, key, "GLOBAL_QUOTE", "IBM", verdict, counted)


def test_the_judge_rules_key_by_key():
    """Calls, verdicts and windows are counted for each key; uncounted calls fill no window."""
    log = [
        entry(1, 10.0),
        entry(2, 10.5, "refused:burst"),
        entry(3, 12.0, "fault:stall"),
        entry(4, 13.5, "refused:symbol"),
        entry(5, 13.6, "refused:key", counted=False),
        entry(6, 13.7, key="other"),
    ]
    reports = judge(log, parse_quota("1/s"), span_s=4)
    assert (reports["k"].calls, reports["k"].served) == (5, 1)
    assert reports["k"].refused == {"burst": 1, "symbol": 1, "key": 1}
    assert reports["k"].faults == {"stall": 1}
    assert reports["k"].windows[0].most == 2
    assert reports["k"].windows[0].exceeded
    assert not reports["k"].within_quota
    assert reports["k"].share_used == 0.75
    assert reports["other"].within_quota


def test_refusal_for_quota_alone_is_violation():
    """Where refusals do not count, no window shows them, but the ruling does."""
    log = [entry(1, 1.0), entry(2, 1.5, "refused:burst", counted=False)]
    ruling = judge(log, parse_quota("1/s"))["k"]
    assert not ruling.windows[0].exceeded
    assert not ruling.within_quota


def test_windows_are_half_open():
    """Calls exactly a period apart are in no window together, for the meter and for the judge."""
    meter = Meter(parse_quota("1/s"), count_refused=True)
    assert [meter.arrive(now) for now in (5.0, 6.0, 7.0)] == [None, None, None]
    assert most_in_window([5.0, 6.0, 7.0], 1) == 1
