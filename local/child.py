"""Run a command that ends when its parent does: ``python -S local/child.py SIGNAL COMMAND…``.

A process manager that is killed hard cannot stop its children. On Linux the kernel does it for us
(``PR_SET_PDEATHSIG``, prctl(2)); elsewhere the command just runs, and the next start finds the leftovers.
"""

import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Ask for the signal, make sure that the parent is still there, become the command."""
    ends_with, *command = sys.argv[1:]
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.Signals[ends_with])
        if os.getppid() != parent:
            sys.exit("the parent ended before the command could start")
    os.execvp(command[0], command)  # noqa: S606  the command is the cluster's own


if __name__ == "__main__":
    main()
