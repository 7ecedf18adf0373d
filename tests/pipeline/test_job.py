"""The job on one symbol, with the real limiter, client and store, against the sandbox."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from common.datasets import DATASETS
from common.errors import (
    ApiKeyRejected,
    NetworkFailed,
    PayloadRejected,
    PipelineError,
    PremiumRequired,
    ProviderBusy,
    ProviderUnavailable,
    QuotaWait,
    RateLimited,
    RunHalted,
    StoreUnavailable,
    UnknownSymbol,
)
from common.quota.durable import day_reopens_in_s
from common.values import Outcome, OutcomeStatus, Symbol
from sandbox.running import RunningSandbox
from tests.support.market import Market
from tests.support.wiring import wired
from workers.pipeline import fetching
from workers.wiring import Wiring

RUN = "manual__1"


def outcome(wiring: Wiring, symbol: str = "IBM") -> Outcome:
    return {line.symbol: line for line in wiring.store.ledger.outcomes(RUN)}[Symbol(symbol)]


def test_symbol_is_fetched_validated_and_stored(wiring: Wiring, sandbox: RunningSandbox, market: Market):
    """One call, one row, one ledger line that names the worker, and nothing that breaks a rule of the tables."""
    done = wiring.job.run(RUN, Symbol("IBM"))
    assert done.status is OutcomeStatus.STORED
    (quote,) = wiring.store.quotes()
    assert quote.symbol == "IBM"
    line = outcome(wiring)
    assert (line.status, line.reason, line.worker, line.api_calls) == (OutcomeStatus.STORED, "inserted", "worker-7", 1)
    assert len(sandbox.entries()) == 1
    assert market.violations() == []


def test_finished_symbol_costs_no_second_call(wiring: Wiring, sandbox: RunningSandbox):
    """A task that is delivered twice, or retried after its row was stored, makes no call."""
    wiring.job.run(RUN, Symbol("IBM"))
    again = wiring.job.run(RUN, Symbol("IBM"))
    assert again.status is OutcomeStatus.STORED
    assert len(sandbox.entries()) == 1


@pytest.mark.parametrize(
    ("symbol", "error", "status", "reason", "calls"),
    [
        ("NOSUCH1", UnknownSymbol, OutcomeStatus.FAILED, "unknown_symbol", 1),
        ("FAULT-RESET-BEFORE", NetworkFailed, OutcomeStatus.FAILED, "network", 3),
        ("FAULT-HTTP500", ProviderUnavailable, OutcomeStatus.FAILED, "provider_unavailable", 3),
        ("FAULT-HTTP429", RateLimited, OutcomeStatus.FAILED, "rate_limited", 3),
        ("FAULT-CUT-JSON", PayloadRejected, OutcomeStatus.QUARANTINED, "not_json", 1),
        ("FAULT-HIGH-BELOW-LOW", PayloadRejected, OutcomeStatus.QUARANTINED, None, 1),
        ("FAULT-KEY", ApiKeyRejected, OutcomeStatus.FAILED, "api_key", 1),
        ("FAULT-GATEWAY", ProviderUnavailable, OutcomeStatus.FAILED, "provider_unavailable", 3),
        ("FAULT-NOT-ENTITLED", PremiumRequired, OutcomeStatus.FAILED, "premium_required", 1),
    ],
)
def test_error_leaves_no_row(  # noqa: PLR0917  one row of the table above each
    environment: dict[str, str],
    sandbox: RunningSandbox,
    symbol: str,
    error: type[PipelineError],
    status: OutcomeStatus,
    reason: str | None,
    calls: int,
):
    """Each kind of failure ends with its error, its ledger line, the calls it cost, and no quote."""
    with wired(environment) as wiring:
        with pytest.raises(error):
            wiring.job.run(RUN, Symbol(symbol))
        line = outcome(wiring, symbol)
        assert (line.status, line.api_calls) == (status, calls)
        assert reason in {None, line.reason}
        assert symbol in line.detail or reason in {"rate_limited", "api_key"}
        assert wiring.store.quotes() == []
        assert len(wiring.store.quarantine.waiting()) == (status is OutcomeStatus.QUARANTINED)
    assert len(sandbox.entries()) == calls


@pytest.mark.parametrize(("fault", "words"), [("NEWS", "moving house"), ("HTML", "a page")])
def test_a_busy_provider_is_left_alone(
    wiring: Wiring, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, fault: str, words: str
):
    """A page or an unknown notice holds every worker back, and is kept once, whatever number of symbols meets it."""
    monkeypatch.setattr(fetching, "BUSY_HOLD_S", 0.5)
    for number in range(3, 6):
        with pytest.raises(ProviderBusy, match=words):
            wiring.job.run(RUN, Symbol(f"FAULT{number}-{fault}"))
        assert wiring.limiter.usage().hold_until is not None
    lines = wiring.store.ledger.outcomes(RUN)
    assert {(line.status, line.reason, line.api_calls) for line in lines} == {("failed", "provider_busy", 1)}
    assert len(wiring.store.quarantine.waiting()) == 1
    assert len(sandbox.entries()) == 3


def test_healed_fault_is_stored(wiring: Wiring, sandbox: RunningSandbox):
    """Two resets, then an answer: the symbol is stored, and each attempt took a permit of its own."""
    done = wiring.job.run(RUN, Symbol("FAULT2-RESET-BEFORE"))
    assert done.status is OutcomeStatus.STORED
    assert outcome(wiring, "FAULT2-RESET-BEFORE").api_calls == len(sandbox.entries()) == 3
    assert wiring.limiter.usage().windows[-1].used == 3


def test_halted_run_makes_no_further_call(wiring: Wiring, sandbox: RunningSandbox):
    """After the provider refused the key, the run's other symbols are not tried, and say which one ended it."""
    with pytest.raises(ApiKeyRejected):
        wiring.job.run(RUN, Symbol("FAULT-KEY"))
    with pytest.raises(RunHalted, match="FAULT-KEY"):
        wiring.job.run(RUN, Symbol("IBM"))
    assert outcome(wiring).reason == "run_halted"
    assert len(sandbox.entries()) == 1


def test_far_permit_ends_the_try(environment: dict[str, str], sandbox: RunningSandbox):
    """When the minute is full the job says when to come back; the same id claims the place, without another call."""
    with wired(environment, ALPHA_VANTAGE_QUOTA="1/30s", QUOTA_WAIT_IN_PLACE="1") as wiring:
        wiring.job.run(RUN, Symbol("IBM"))
        with pytest.raises(QuotaWait) as first:
            wiring.job.run(RUN, Symbol("AAPL"))
        assert first.value.permit_id
        assert first.value.retry_at > datetime.now(UTC)
        with pytest.raises(QuotaWait) as second:
            wiring.job.run(RUN, Symbol("AAPL"), permit_id=first.value.permit_id)
        assert second.value.permit_id == first.value.permit_id
        assert outcome(wiring, "AAPL").status is OutcomeStatus.PLANNED
    assert len(sandbox.entries()) == 1


def test_a_used_up_day_postpones(environment: dict[str, str], sandbox: RunningSandbox):
    """Beyond the day's calls a symbol is postponed with the moment at which it can go, and costs nothing."""
    with wired(environment, ALPHA_VANTAGE_QUOTA="5/s,1/day") as wiring:
        wiring.job.run(RUN, Symbol("IBM"))
        done = wiring.job.run(RUN, Symbol("AAPL"))
        assert done.status is OutcomeStatus.POSTPONED
        line = outcome(wiring, "AAPL")
        assert line.retry_at is not None
        assert timedelta(hours=23) < line.retry_at - datetime.now(UTC) <= timedelta(hours=24)
        usage = wiring.limiter.usage()
        assert (usage.waiting, usage.deferred) == (0, 0)
    assert len(sandbox.entries()) == 1


def test_spent_day_is_waited_for(environment: dict[str, str]):
    """With ON_DAILY_QUOTA=wait the job says when to come back instead of postponing."""
    with wired(environment, ALPHA_VANTAGE_QUOTA="5/s,1/day", ON_DAILY_QUOTA="wait") as wiring:
        wiring.job.run(RUN, Symbol("IBM"))
        with pytest.raises(QuotaWait):
            wiring.job.run(RUN, Symbol("AAPL"))


def test_provider_teaches_that_day_is_spent(wiring: Wiring, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch):
    """When the provider says so against our own count, every worker holds back, and the symbol is postponed."""
    monkeypatch.setattr(fetching, "day_reopens_in_s", lambda _: 2 * 3600.0)  # whatever the time of this test
    done = wiring.job.run(RUN, Symbol("FAULT-DAY"))
    assert done.status is OutcomeStatus.POSTPONED
    assert wiring.limiter.usage().hold_until is not None
    assert wiring.job.run(RUN, Symbol("IBM")).status is OutcomeStatus.POSTPONED
    assert len(sandbox.entries()) == 1


def test_nearly_finished_day_is_waited_for(wiring: Wiring, monkeypatch: pytest.MonkeyPatch):
    """Where the provider's next day is less than an hour away, the symbol waits for it and is not postponed."""
    monkeypatch.setattr(fetching, "day_reopens_in_s", lambda _: 1800.0)
    with pytest.raises(QuotaWait) as wait:
        wiring.job.run(RUN, Symbol("FAULT-DAY"))
    assert 1700 < wait.value.retry_after_s <= 1800


def test_day_survives_lost_redis_data(environment: dict[str, str], sandbox: RunningSandbox):
    """After FLUSHALL the day's calls come back from PostgreSQL, and not one call over the quota is made."""
    import redis

    with wired(environment, ALPHA_VANTAGE_QUOTA="5/s,2/day") as wiring:
        wiring.job.run(RUN, Symbol("IBM"))
        wiring.job.run(RUN, Symbol("AAPL"))
        with redis.Redis.from_url(environment["LIMITER_REDIS_URL"]) as client:
            client.flushall()
        done = wiring.job.run(RUN, Symbol("MSFT"))
        assert done.status is OutcomeStatus.POSTPONED
        assert wiring.limiter.usage().windows[-1].used == 2
    assert len(sandbox.entries()) == 2


def test_changed_plan_keeps_earlier_calls(environment: dict[str, str]):
    """A new quota takes over the calls of the old one; nothing is granted twice."""
    with wired(environment, ALPHA_VANTAGE_QUOTA="5/s,2/day") as wiring:
        wiring.job.run(RUN, Symbol("IBM"))
        wiring.job.run(RUN, Symbol("AAPL"))
    with wired(environment, ALPHA_VANTAGE_QUOTA="5/s,3/day") as wiring:
        assert wiring.limiter.usage().windows[-1].used == 2
        assert wiring.job.run(RUN, Symbol("MSFT")).status is OutcomeStatus.STORED
        assert wiring.job.run(RUN, Symbol("GOOGL")).status is OutcomeStatus.POSTPONED


def test_call_that_never_left_costs_nothing(environment: dict[str, str]):
    """With nobody listening at the API's address the permit and the note of the call are given back."""
    with wired(environment, SANDBOX_URL="http://127.0.0.1:9", API_ATTEMPTS="1") as wiring:
        with pytest.raises(NetworkFailed):
            wiring.job.run(RUN, Symbol("IBM"))
        assert [window.used for window in wiring.limiter.usage().windows] == [0, 0]
        assert wiring.store.calls.calls_since(wiring.limiter.key_digest, 3600) == []


@pytest.mark.parametrize(
    ("now", "hours"),
    [("2026-07-01T12:00", 12), ("2026-07-01T23:00", 1), ("2026-07-02T01:00", 3), ("2026-01-02T04:30", 0.5)],
)
def test_day_reopens_at_earlier_midnight(now: str, hours: float):
    """The next midnight of UTC or of New York, whichever comes first, winter and summer."""
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert day_reopens_in_s(moment) == hours * 3600


def test_a_right_unremembered_costs_nothing(wiring: Wiring, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch):
    """Where the database cannot note that the key may ask for whole series, the reply is stored all the same."""

    def lose(feature: str) -> None:
        raise StoreUnavailable(feature)

    monkeypatch.setattr(wiring.entitlements, "allow", lose)
    job = replace(wiring.job, dataset=DATASETS["full_history"], entitlements=wiring.entitlements)
    assert job.run(RUN, Symbol("IBM")).status is OutcomeStatus.STORED
    assert len(sandbox.entries()) == 1
