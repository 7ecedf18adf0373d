"""Processes that stand still at the worst places, with real signals, as the provider's own log sees it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.errors import ClaimLost, NetworkFailed
from common.values import Outcome, OutcomeStatus, Symbol
from local.temporary import wait_until
from sandbox.running import RunningSandbox
from tests.support.batches import RUN, calls, planned, symbols
from tests.support.market import Market
from tests.support.wiring import wired

ROOT = Path(__file__).resolve().parents[2]
FREEZE = """
import os, signal
from {module} import {name}

original, frozen = {name}.{method}, []

def freezing(*arguments, **options):
    {after}if not frozen:
        frozen.append(True)
        os.kill(os.getpid(), signal.SIGSTOP)
    {returned}

{name}.{method} = freezing
from workers.wiring import Wiring
Wiring.from_environment().job.run({run!r}, "IBM")
"""
#: Before anything of the call was done, and when its connection is there.
PLACES = {
    "before the call": {
        "module": "common.provider.http_transport",
        "name": "Transport",
        "method": "get",
        "after": "",
        "returned": "return original(*arguments, **options)",
    },
    "when connected": {
        "module": "common.provider.deadline",
        "name": "BoundedSocket",
        "method": "connect",
        "after": "original(*arguments, **options)\n    ",
        "returned": "",
    },
}


@contextmanager
def worker(code: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the code in a process that ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def frozen(code: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the code until it stops itself; let it go on at the end of the block, and wait for its end."""
    with worker(code, environment) as process:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"it ended with {status} before it stopped"
        yield process
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0


@pytest.mark.parametrize("place", PLACES)
def test_a_frozen_call_keeps_the_quota(environment: dict[str, str], sandbox: RunningSandbox, place: str):
    """A process that stood still between its permit and its request asks for a new permit, and sends nothing before."""
    quota = "1/2s"
    sandbox.change("plan", quota=quota)
    changed = environment | {"ALPHA_VANTAGE_QUOTA": quota, "API_TIMEOUT": "1"}
    with wired(changed) as wiring:
        wiring.store.ledger.plan_run(RUN, [Symbol("IBM"), Symbol("AAPL")])
        with frozen(FREEZE.format(run=RUN, **PLACES[place]), changed):
            # Granted once the other one's permit counts no more: what it sent now would be one too many.
            assert wiring.job.run(RUN, Symbol("AAPL")).status is OutcomeStatus.STORED
        lines = wiring.store.ledger.outcomes(RUN)
    assert [entry.verdict for entry in sandbox.entries()] == ["served", "served"]
    assert calls(sandbox) == {"IBM": 1, "AAPL": 1}
    assert [(line.status, line.api_calls) for line in lines] == [(OutcomeStatus.STORED, 1)] * 2


def test_a_refused_connection_is_no_call(environment: dict[str, str]):
    """What could not even be connected is counted by neither the ledger nor the quota."""
    with wired(environment, SANDBOX_URL="http://127.0.0.1:9", API_ATTEMPTS="1") as wiring:
        with pytest.raises(NetworkFailed):
            wiring.job.run(RUN, Symbol("IBM"))
        assert [line.api_calls for line in wiring.store.ledger.outcomes(RUN)] == [0]
        assert {window.used for window in wiring.limiter.usage().windows} == {0}


def test_worker_that_comes_back_repeats_nothing(environment: dict[str, str], sandbox: RunningSandbox, market: Market):
    """After a freeze during which another worker did the batch, only what was out by then is called a second time."""
    sandbox.change("faults", faults="", latency="0.02:0.05")
    changed = environment | {"ALPHA_VANTAGE_QUOTA": "10000/s", "BATCH_CONCURRENCY": "4"}
    code = (
        "from workers.pipeline import claims; claims.FRESH_S = 0.0; from workers.wiring import Wiring; "
        f"Wiring.from_environment().batch(budget_s=60).run({RUN!r}, 1)"
    )
    with wired(changed) as wiring:
        batch = planned(wiring, *symbols(150))
        with worker(code, changed) as process:
            wait_until(lambda: market.query("SELECT count(*) FROM stock_quotes")[0][0] > 30, "some are stored")
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            assert batch.run(RUN, 1).counts == "150 stored"
            process.send_signal(signal.SIGCONT)
            assert "ClaimLost" in process.communicate(timeout=60)[1].decode()
    counted = calls(sandbox)
    assert len(counted) == 150
    assert counted.total() <= 150 + 4 + 4  # what was out, and what was answered but not written yet


def test_second_pass_takes_batch_from_first(environment: dict[str, str], sandbox: RunningSandbox):
    """A claim is the last pass's, whatever the other one had taken up."""
    with wired(environment) as wiring:
        planned(wiring, *symbols(3))
        first = wiring.store.ledger.claim_batch(RUN, 1, "first")
        assert wiring.store.ledger.still_claimed(RUN, first) == symbols(3)
        second = wiring.store.ledger.claim_batch(RUN, 1, "second")
        assert wiring.store.ledger.still_claimed(RUN, second) == symbols(3)
        with pytest.raises(ClaimLost):
            wiring.store.ledger.still_claimed(RUN, first)
        wiring.store.ledger.record_outcomes([Outcome(RUN, symbols(1)[0], OutcomeStatus.STORED)])
        assert wiring.store.ledger.still_claimed(RUN, second) == symbols(3)[1:]
