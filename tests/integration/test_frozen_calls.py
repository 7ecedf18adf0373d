"""Processes that stand still at the worst places, with real signals, as the provider's own log sees it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.errors import NetworkFailed
from common.values import OutcomeStatus, Symbol
from sandbox.running import RunningSandbox
from tests.integration.conftest import wired
from tests.support.batches import RUN, calls

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
def frozen(code: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the code until it stops itself; let it go on at the end of the block, and wait for its end."""
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=os.environ | environment | {"PYTHONPATH": str(ROOT)}, cwd=ROOT
    )
    try:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"it ended with {status} before it stopped"
        yield process
        process.send_signal(signal.SIGCONT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("place", PLACES)
def test_a_frozen_call_keeps_the_quota(environment: dict[str, str], sandbox: RunningSandbox, place: str):
    """A process that stood still between its permit and its request asks for a new permit, and sends nothing before."""
    quota = "1/2s"
    sandbox.change("plan", quota=quota)
    changed = environment | {"ALPHA_VANTAGE_QUOTA": quota, "API_TIMEOUT": "1"}
    with wired(changed) as wiring:
        wiring.store.plan_run(RUN, [Symbol("IBM"), Symbol("AAPL")])
        with frozen(FREEZE.format(run=RUN, **PLACES[place]), changed):
            # Granted once the other one's permit counts no more: what it sent now would be one too many.
            assert wiring.job.run(RUN, Symbol("AAPL")).status is OutcomeStatus.STORED
        lines = wiring.store.outcomes(RUN)
    assert [entry.verdict for entry in sandbox.entries()] == ["served", "served"]
    assert calls(sandbox) == {"IBM": 1, "AAPL": 1}
    assert [(line.status, line.api_calls) for line in lines] == [(OutcomeStatus.STORED, 1)] * 2


def test_a_refused_connection_is_no_call(environment: dict[str, str]):
    """What could not even be connected is counted by neither the ledger nor the quota."""
    with wired(environment, SANDBOX_URL="http://127.0.0.1:9", API_ATTEMPTS="1") as wiring:
        with pytest.raises(NetworkFailed):
            wiring.job.run(RUN, Symbol("IBM"))
        assert [line.api_calls for line in wiring.store.outcomes(RUN)] == [0]
        assert {window.used for window in wiring.limiter.usage().windows} == {0}
