"""Run a command that ends when its parent does: ``python -S local/child.py SIGNAL USER COMMAND…`` (USER - : as we are).

A process manager that is killed hard cannot stop its children. On Linux the kernel does it for us
(``PR_SET_PDEATHSIG``, prctl(2)); elsewhere the command just runs, and the next start finds the leftovers.
"""

import ctypes
import os
import pwd
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1


def main() -> None:
    """Become the user, ask for the signal, make sure that the parent is still there, become the command."""
    ends_with, user, *command = sys.argv[1:]
    if user != "-":
        _become(user)  # first: the kernel forgets the signal when a process changes its user
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.Signals[ends_with])
        if os.getppid() != parent:
            sys.exit("the parent ended before the command could start")
    os.execvp(command[0], command)  # noqa: S606  the command is the cluster's own


def _become(name: str) -> None:
    entry = pwd.getpwnam(name)
    os.initgroups(name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


if __name__ == "__main__":
    main()
