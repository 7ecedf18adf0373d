"""The writer of a batch, interrupted wherever Python can be interrupted."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from common.models import Outcome, OutcomeStatus, Symbol
from common.store import Store
from tests.integration.batches import RUN
from workers import batch_writer
from workers.batch_writer import Entry, Writer

ENTRIES = 3


@contextmanager
def interrupted_at(step: int) -> Iterator[None]:
    """Raise TimeoutError, as a signal's handler would, before the writer's instruction number ``step``."""
    left = step

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal left
        if frame.f_code.co_filename != batch_writer.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left -= 1
            if left == 0:
                raise TimeoutError
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def test_an_interruption_anywhere_loses_no_reply(store: Store):
    """Whatever instruction a time-out comes at, all that the threads handed over is in the ledger at the end."""
    step, ended = 0, False
    while not ended:
        step += 1
        symbols = [Symbol(f"S{step}.{number}") for number in range(ENTRIES)]
        store.plan_run(RUN, symbols, batch_size=ENTRIES)
        writer = Writer(store, ENTRIES)
        for symbol in symbols:
            writer.results.put(Entry(Outcome(RUN, symbol, OutcomeStatus.FAILED, "unknown_symbol", "no such symbol")))
        writer.results.put(None)
        with suppress(TimeoutError), interrupted_at(step):
            writer.write_all(1)
            ended = True
        writer.write_rest()
        lost = {outcome.symbol for outcome in store.outcomes(RUN) if outcome.status is OutcomeStatus.PLANNED}
        assert not lost, f"interrupted at instruction {step}"
    assert step > 100, "the writer was interrupted at too few places to tell"
