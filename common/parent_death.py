"""A process that ends when its parent does, however hard that one was killed (PR_SET_PDEATHSIG of prctl(2))."""

import ctypes
import sys
from signal import Signals
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def end_with_parent(signal: Signals) -> None:
    """Let the kernel send us the signal when our parent has ended. Linux only; elsewhere nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal)
