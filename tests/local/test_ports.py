"""Ports are chosen by many processes at once, and none is chosen twice."""

import socket
import subprocess
import sys
from collections import Counter

from local.ports import free_port, reserve

CHOOSE = "from local.ports import free_port; print(*[free_port() for _ in range(200)], flush=True); input()"


def test_processes_share_no_port():
    """Six processes choose 200 ports each while all of them live: no number comes twice."""
    command = [sys.executable, "-c", CHOOSE]
    choosers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    try:
        chosen = Counter(port for chooser in choosers for port in chooser.stdout.readline().split())
    finally:
        for chooser in choosers:
            chooser.communicate("\n")
    assert chosen.total() == 1200
    assert [port for port, times in chosen.items() if times > 1] == []


def test_what_is_listened_on_is_taken():
    """A port that somebody listens on, or holds, cannot be reserved; once it is given back, it can."""
    port = free_port()
    assert reserve(port) is None
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert reserve(listening.getsockname()[1]) is None
        other = listening.getsockname()[1]
    holder = reserve(other)
    assert holder
    assert reserve(other) is None
    holder.close()
