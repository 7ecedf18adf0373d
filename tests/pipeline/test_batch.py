"""A batch of symbols, with the real limiter, client and store, against the sandbox."""

from collections import Counter
from collections.abc import Iterator
from functools import partial

import pytest

from common.errors import (
    ApiKeyRejected,
    PipelineError,
    Retryable,
    RunFailed,
    SymbolFailed,
    UnknownSymbol,
    reasons_of,
)
from common.quota.results import Reserved
from common.values import Outcome, OutcomeStatus, Symbol
from local.temporary import wait_until
from sandbox.running import RunningSandbox
from tests.support.batches import RUN, by_symbol, calls, due, planned, symbols
from tests.support.market import Market
from tests.support.wiring import wired
from workers.pipeline.batch import BatchEnd
from workers.wiring import Wiring

STORED = "SELECT count(*) FROM stock_quotes"


@pytest.fixture
def wiring(environment: dict[str, str]) -> Iterator[Wiring]:
    with wired(environment, ALPHA_VANTAGE_QUOTA="10000/s", BATCH_CONCURRENCY="4") as opened:
        yield opened


def test_each_symbol_is_stored_once(wiring: Wiring, sandbox: RunningSandbox, market: Market):
    """A batch that is larger than what is written together stores each symbol with one call and an outcome each."""
    names = symbols(120)
    end = planned(wiring, *names).run(RUN, 1)
    assert by_symbol(end) == dict.fromkeys(names, "inserted")
    assert calls(sandbox) == dict.fromkeys(names, 1)
    assert (end.counts, end.left, end.wait, end.failures) == ("120 stored", 0, None, [])
    assert {outcome.worker for outcome in end.outcomes} == {"worker-7"}
    assert {outcome.api_calls for outcome in end.outcomes} == {1}
    assert market.query(STORED) == [(120,)]
    assert market.violations() == []


def test_rows_are_written_in_few_transactions(wiring: Wiring, market: Market):
    """Far fewer transactions write the rows than there are symbols."""
    end = planned(wiring, *symbols(100)).run(RUN, 1)
    assert end.counts == "100 stored"
    assert market.query("SELECT count(DISTINCT xmin::text) FROM stock_quotes")[0][0] <= 25


def test_quota_follows_the_plans_order(environment: dict[str, str], sandbox: RunningSandbox):
    """The symbols are asked for in the plan's order, not by name."""
    names = ["C1", "A1", "B1"]
    with wired(environment, BATCH_CONCURRENCY="1") as wiring:
        planned(wiring, *names).run(RUN, 1)
    assert [entry.symbol for entry in sandbox.entries()] == names


def test_one_failure_stops_no_other(wiring: Wiring, sandbox: RunningSandbox):
    """Each symbol ends with its own outcome, and the batch's end names those that failed."""
    end = planned(wiring, "IBM", "NOSUCH1", "FAULT-HTTP500", "FAULT-NAN", "AAPL").run(RUN, 1)
    assert end.counts == "2 stored, 2 failed, 1 quarantined"
    assert by_symbol(end)["NOSUCH1"] == "unknown_symbol"
    assert by_symbol(end)["FAULT-HTTP500"] == "provider_unavailable"
    assert end.retryable
    assert "NOSUCH1 (unknown_symbol)" in end.summary
    assert len(wiring.store.quarantine.waiting()) == 1


def test_retry_does_only_what_can_heal(wiring: Wiring, sandbox: RunningSandbox):
    """A retry leaves alone what is stored and what the provider refused for good."""
    batch = planned(wiring, "IBM", "NOSUCH1", "FAULT3-HTTP500")  # three attempts fail, the next one does not
    assert batch.run(RUN, 1).retryable
    end = batch.run(RUN, 1)
    assert by_symbol(end) == {"FAULT3-HTTP500": "inserted", "IBM": "inserted", "NOSUCH1": "unknown_symbol"}
    assert not end.retryable
    assert calls(sandbox) == {"IBM": 1, "NOSUCH1": 1, "FAULT3-HTTP500": 4}


def test_resuming_a_wait_is_no_retry(wiring: Wiring, sandbox: RunningSandbox):
    """A pass that goes on after a wait does not try again what failed before it."""
    batch = planned(wiring, "FAULT-NAN", "IBM")
    batch.run(RUN, 1)
    batch.run(RUN, 1, resumed=True)
    assert calls(sandbox) == {"FAULT-NAN": 1, "IBM": 1}


def test_who_asks_again_gets_new_try(wiring: Wiring, sandbox: RunningSandbox):
    """Where nothing is left that could heal by itself, another run of the task tries what failed for good."""
    batch = planned(wiring, "IBM", "NOSUCH1")
    batch.run(RUN, 1)
    batch.run(RUN, 1)
    assert calls(sandbox) == {"IBM": 1, "NOSUCH1": 2}


def test_a_rejected_key_ends_the_batch(environment: dict[str, str], sandbox: RunningSandbox):
    """After the key was rejected no further call is made, and every symbol that was left says so."""
    with wired(environment, BATCH_CONCURRENCY="1") as wiring:
        batch = planned(wiring, "IBM", "FAULT-KEY", *symbols(60))
        with pytest.raises(ApiKeyRejected):
            batch.run(RUN, 1)
        reasons = Counter(outcome.reason for outcome in wiring.store.ledger.outcomes(RUN))
    assert reasons == {"inserted": 1, "api_key": 1, "run_halted": 60}
    assert len(sandbox.entries()) == 2


def test_a_halted_run_makes_no_call(wiring: Wiring, sandbox: RunningSandbox):
    """A batch of a run that another batch ended is written off without a call."""
    wiring.store.ledger.plan_run(RUN, [Symbol("FAULT-KEY"), Symbol("IBM")], batch_size=1)
    with pytest.raises(ApiKeyRejected):
        wiring.batch(budget_s=60).run(RUN, 1)
    end = wiring.batch(budget_s=60).run(RUN, 2)
    assert by_symbol(end) == {"IBM": "run_halted"}
    assert "FAULT-KEY" in end.summary
    assert calls(sandbox) == {"FAULT-KEY": 1}


def test_a_halted_batch_can_be_cleared(environment: dict[str, str], sandbox: RunningSandbox):
    """Once the key is mended, another run of the task fetches what the rejected key had halted."""
    key = environment | {"ALPHA_VANTAGE_API_KEY": "TESTKEY", "ALPHA_VANTAGE_BASE_URL": sandbox.url}
    with wired(key, BATCH_CONCURRENCY="1") as wiring:
        batch = planned(wiring, *symbols(3))
        sandbox.change("revoke", keys=["TESTKEY"])
        with pytest.raises(ApiKeyRejected):
            batch.run(RUN, 1)
        sandbox.change("revoke", keys=[])
        assert batch.run(RUN, 1).counts == "3 stored"


def test_waiting_batch_stays_cleared(environment: dict[str, str], sandbox: RunningSandbox):
    """A batch that was cleared after the run was halted is not halted again by the old line when it comes back."""
    slow = {"ALPHA_VANTAGE_QUOTA": "5/2s", "QUOTA_WAIT_IN_PLACE": "0", "BATCH_CONCURRENCY": "1"}
    with wired(environment, **slow) as wiring:
        wiring.store.ledger.plan_run(RUN, [Symbol("FAULT-KEY"), *symbols(7)], batch_size=1)
        with pytest.raises(ApiKeyRejected):
            wiring.batch(budget_s=60).run(RUN, 1)
        wiring.store.ledger.plan_run("other", symbols(8), batch_size=8)
        halted = [Outcome("other", name, OutcomeStatus.FAILED, "run_halted") for name in symbols(7)]
        key = Outcome("other", Symbol("S007"), OutcomeStatus.FAILED, "api_key")
        wiring.store.ledger.record_outcomes([*halted, key])
        end = wiring.batch(budget_s=60).run("other", 1)
        assert end.cleared
        while wait := end.wait:
            wait_until(partial(due, wiring, wait.retry_at), "the permit is due")
            end = wiring.batch(budget_s=60).run("other", 1, permit_id=wait.permit_id, resumed=True, cleared=end.cleared)
    assert end.counts == "8 stored"


def test_halted_batch_waits_for_person(wiring: Wiring):
    """A batch with a symbol that was halted is not tried again by itself, though another's failure could heal."""
    batch = planned(wiring, *symbols(2))
    lines = [(OutcomeStatus.FAILED, "run_halted"), (OutcomeStatus.FAILED, "network")]
    wiring.store.ledger.record_outcomes(
        [Outcome(RUN, name, *line) for name, line in zip(symbols(2), lines, strict=True)]
    )
    assert not BatchEnd(wiring.store.ledger.outcomes(RUN, 1)).retryable
    assert batch.run(RUN, 1).counts == "2 stored"


@pytest.mark.parametrize("branch", [Retryable, SymbolFailed, RunFailed])
def test_retry_reopens_what_the_batch_says(wiring: Wiring, branch: type[PipelineError]):
    """For each reason of the error tree, the retry that a batch asks for takes its symbol up."""
    reasons = sorted(reasons_of(branch))
    for number, reason in enumerate(reasons):
        run_id = f"{branch.__name__}{number}"
        wiring.store.ledger.plan_run(run_id, symbols(2), batch_size=2)
        left = Outcome(run_id, symbols(2)[1], OutcomeStatus.FAILED, UnknownSymbol.reason)
        wiring.store.ledger.record_outcomes([Outcome(run_id, symbols(1)[0], OutcomeStatus.FAILED, reason), left])
        end = BatchEnd(wiring.store.ledger.outcomes(run_id, 1))
        by_a_person = wiring.store.ledger.reopen_batch(run_id, 1)
        assert end.retryable is not by_a_person
        assert list(wiring.store.ledger.claim_batch(run_id, 1, "w")) == (symbols(2) if by_a_person else symbols(1)), (
            reason
        )


def test_waiting_retry_reaches_everything(environment: dict[str, str], sandbox: RunningSandbox):
    """What a retry reopened stays open while the batch waits for its quota, however far the first pass came."""
    slow = {"ALPHA_VANTAGE_QUOTA": "60/2s", "QUOTA_WAIT_IN_PLACE": "0"}
    with wired(environment, **slow) as wiring:
        batch = planned(wiring, *symbols(120))
        wiring.store.ledger.record_outcomes(
            [Outcome(RUN, name, OutcomeStatus.FAILED, "network", api_calls=3) for name in symbols(120)]
        )
        end = batch.run(RUN, 1)
        assert end.failures == []
        while wait := end.wait:
            wait_until(partial(due, wiring, wait.retry_at), "the permit is due")
            end = batch.run(RUN, 1, permit_id=wait.permit_id, resumed=True)
    assert end.counts == "120 stored"
    assert {outcome.api_calls for outcome in end.outcomes} == {4}


def test_halting_loses_nothing(environment: dict[str, str], sandbox: RunningSandbox):
    """When the key is rejected while others wait for the quota, each symbol has an outcome and nobody stays in line."""
    slow = {"ALPHA_VANTAGE_QUOTA": "1/30s", "QUOTA_WAIT_IN_PLACE": "0", "BATCH_CONCURRENCY": "8"}
    sandbox.change("faults", faults="", latency="0.2:0.3")  # the others ask while the one call is out
    rejected = [f"FAULT{number}-KEY" for number in range(1, 9)]  # whichever of the threads is first
    with wired(environment, **slow) as wiring:
        with pytest.raises(ApiKeyRejected):
            planned(wiring, *rejected, *symbols(20)).run(RUN, 1)
        reasons = Counter(outcome.reason for outcome in wiring.store.ledger.outcomes(RUN))
        usage = wiring.limiter.usage()
    assert reasons == {"api_key": 1, "run_halted": 27}
    assert usage.waiting + usage.deferred == 0


def test_finished_batch_gives_its_place_back(environment: dict[str, str]):
    """The permit that a batch waited for goes to others if there is no symbol for it any more."""
    with wired(environment, ALPHA_VANTAGE_QUOTA="1/30s", QUOTA_WAIT_IN_PLACE="0") as wiring:
        batch = planned(wiring, "IBM")
        assert batch.run(RUN, 1).counts == "1 stored"
        assert isinstance(wiring.limiter.acquire("waiting"), Reserved)
        batch.run(RUN, 1, permit_id="waiting", resumed=True)
        assert wiring.limiter.usage().waiting == 0


def test_a_far_quota_ends_the_pass(environment: dict[str, str], sandbox: RunningSandbox):
    """What the quota does not reach is left; one permit waits for the whole batch, and the next pass takes it up."""
    with wired(environment, ALPHA_VANTAGE_QUOTA="5/2s", QUOTA_WAIT_IN_PLACE="0", BATCH_CONCURRENCY="4") as wiring:
        batch = planned(wiring, *symbols(12))
        end = batch.run(RUN, 1)
        assert end.counts == "5 stored, 7 left"
        assert end.wait is not None
        usage = wiring.limiter.usage()
        assert usage.waiting + usage.deferred <= 1
        while wait := end.wait:
            wait_until(partial(due, wiring, wait.retry_at), "the permit is due")
            end = batch.run(RUN, 1, permit_id=wait.permit_id, resumed=True)
    assert end.counts == "12 stored"
    assert calls(sandbox) == dict.fromkeys(symbols(12), 1)


def test_beyond_the_day_symbols_are_postponed(environment: dict[str, str], sandbox: RunningSandbox):
    """When the day is used up, each of the other symbols is postponed to its moment."""
    with wired(environment, ALPHA_VANTAGE_QUOTA="50/s,3/day") as wiring:
        end = planned(wiring, *symbols(5)).run(RUN, 1)
    assert end.counts == "3 stored, 2 postponed"
    assert not end.postponed
    assert all(outcome.retry_at for outcome in end.outcomes if outcome.status is OutcomeStatus.POSTPONED)
    assert len(sandbox.entries()) == 3


def test_pass_ends_with_its_time(wiring: Wiring, sandbox: RunningSandbox):
    """Beyond its time a pass takes up nothing; what is left is for the next one."""
    end = planned(wiring, *symbols(5), budget_s=-1).run(RUN, 1)
    assert (end.counts, end.wait) == ("5 left", None)
    assert sandbox.entries() == []


def test_row_that_is_refused_fails_alone(wiring: Wiring, market: Market):
    """A row that PostgreSQL does not take fails its own symbol; those that were written with it are stored."""
    market.query("ALTER TABLE stock_quotes ADD CONSTRAINT stock_quotes_test CHECK (symbol <> 'S003')")
    end = planned(wiring, *symbols(6)).run(RUN, 1)
    assert end.counts == "5 stored, 1 failed"
    assert by_symbol(end)["S003"] == "row_refused"
