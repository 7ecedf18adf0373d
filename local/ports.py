"""How a free port is taken so that no two processes choose the same one; which a cluster prefers, says state.py.

A port that is free when it is looked at may be another's before our server listens on it. So whoever chooses a port
holds the UDP port of the same number until the server is up, or for good: our servers speak TCP only, each process
of each user sees that the number is taken, and the kernel gives it back when its holder ends, however it ends.
"""

import random
import socket
from typing import Final

#: Below what Linux and macOS give to outgoing connections, any of which could take a port that nobody listens on yet.
_RANGE: Final = range(20_000, 32_768)
_held: Final[list[socket.socket]] = []


def free_port() -> int:
    """Return a port that nobody listens on, and that is this process's until it ends. Raises RuntimeError."""
    for _ in range(1000):
        port = random.choice(_RANGE)  # noqa: S311  no secret: two processes should seldom try the same one
        if holder := reserve(port):
            _held.append(holder)
            return port
    raise RuntimeError(f"no free port between {_RANGE.start} and {_RANGE.stop} on 127.0.0.1: free one and try again")


def reserve(port: int) -> socket.socket | None:
    """Hold the port, or return None where it is held or listened on. It is ours until the socket is closed."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        holder.bind(("127.0.0.1", port))
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port in TIME_WAIT can be listened on
            probe.bind(("127.0.0.1", port))
    except OSError:
        holder.close()
        return None
    return holder


def is_free(port: int) -> bool:
    """Whether nobody holds the port or listens on it."""
    if holder := reserve(port):
        holder.close()
    return bool(holder)
