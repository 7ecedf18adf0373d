"""A PostgreSQL of a test's own, where the test restarts it or sets it up."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2

from local.services import Postgres, server_user
from local.temporary import running, wait_until


@contextmanager
def serving(server: Postgres) -> Iterator[int]:
    """Run the server until the block ends; yield its process id."""
    log = server.folder.with_suffix(".log")
    with running(server.command(), log, user=server_user(), stop=signal.SIGINT) as pid:
        wait_until(lambda: psycopg2.connect(server.url()).close() is None, f"PostgreSQL answers ({log})")
        yield pid
