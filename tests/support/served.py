"""A client of Alpha Vantage on a wire of the test's own, and what that can do to a reply."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from common.datasets.quotes import request as quote_request
from common.errors import (
    PipelineError,
)
from common.provider import AlphaVantageClient
from common.values import Symbol
from tests.support.replies import quote_document
from tests.support.wire import Behaviour, Connection, Wire, response, wire

IBM = Symbol("IBM")
KEY = "MARKED KEY/0123456"
QUOTE = json.dumps(quote_document()).encode()
GOOD = response(QUOTE)
PAGE = b"<!doctype html><h1>Service Unavailable</h1>"


class Pauses(list[float]):
    """Stands in for ``time.sleep`` and notes what was asked of it."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@contextmanager
def serving(
    behave: Behaviour, *, attempts: int = 1, pauses: Pauses | None = None
) -> Iterator[tuple[Wire, AlphaVantageClient]]:
    sleep = Pauses() if pauses is None else pauses
    with (
        wire(behave) as server,
        AlphaVantageClient(server.url, SecretStr(KEY), timeout_s=20, attempts=attempts, sleep=sleep) as client,
    ):
        yield server, client


def refused(behave: Behaviour, ask: Callable[[AlphaVantageClient], object] | None = None) -> PipelineError:
    """Return the error that a call ends with."""
    with serving(behave) as (_, client), pytest.raises(PipelineError) as caught:
        ask(client) if ask else client.fetch(quote_request(IBM))
    return caught.value


def closes(connection: Connection) -> None:
    connection.read_request()


def resets(connection: Connection) -> None:
    connection.read_request()
    connection.reset()


def says(*pieces: bytes, reset: bool = False) -> Behaviour:
    def behave(connection: Connection) -> None:
        connection.read_request()
        for piece in pieces:
            connection.send(piece)
        if reset:
            connection.reset()

    return behave
