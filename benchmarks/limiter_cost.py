"""What an acquire costs: Redis's own time, the round trip, how many of them, and the memory of each plan.

Every operation is measured in small batches, in a new order each round, so that a busy moment of the machine meets
them all; the median of the batches counts. The bare no-op is an EVALSHA without keys or arguments.
"""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

import redis
from pydantic import SecretStr
from redis.connection import AbstractConnection

from benchmarks.clusters import progress
from benchmarks.limiter_contenders import CAP_S, CONTENDERS, VERSIONS, Gate
from benchmarks.tables import Table, middle
from common.quota.limiter import Limiter
from common.quota.quota import PLANS, Quota
from common.quota.results import Denied, Granted, Reserved
from local.temporary import running_redis

ROUNDS, BATCH, WAITERS = 100, 20, 10_000
FULL: Final = PLANS["premium1200"]
#: For the libraries: some let a call through every 50 ms of a minute, and are then not full when they are measured.
FULL_FOR_LONG: Final = Quota.parse("30/s,1200/day")
#: As many calls in the log, and room for more.
ROOMY: Final = Quota.parse("20000/s,40000/min")
_HORIZON_S: Final = 1e6
_COLUMNS: Final = ("who", "operation", "Redis (µs)", "x bare no-op", "round trips", "all trips (µs)")


@dataclass
class Cost:
    """An operation's batches: Redis's µs, the caller's µs and the commands sent, each for one call."""

    redis_us: list[float] = field(default_factory=list)
    trip_us: list[float] = field(default_factory=list)
    trips: list[float] = field(default_factory=list)


Operations = Mapping[tuple[str, str], Callable[[int], object]]


def run(*, quick: bool = False) -> list[Table]:
    """Measure the cost of the operations, then the memory of the plans."""
    rounds, waiters = (3, 100) if quick else (ROUNDS, WAITERS)
    progress("what an acquire costs")
    with TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        client = redis.Redis.from_url(server.url())
        rows = _rows(measured(_operations(server.url, waiters, rounds * BATCH + 1), client, rounds))
        version = client.info()["redis_version"]
    note = (
        f"Median of {rounds} batches of {BATCH} calls over one connection, one after the other, in Redis {version}. "
        f"Full: 1,200 calls in {FULL} (libraries: {FULL_FOR_LONG}, so that they stay full). Room: 1,200 in {ROOMY}. "
        "Redis's time is that of every command sent, as INFO commandstats has it; the caller's includes its "
        f"Python. What a library has to ask to learn when to come back is part of its refusal. {VERSIONS}."
    )
    progress("what a plan's log takes")
    return [
        Table("The cost of an acquire", _COLUMNS, rows, note),
        _memory(["free", "premium75"] if quick else [*PLANS]),
    ]


def measured(operations: Operations, client: redis.Redis, rounds: int) -> dict[tuple[str, str], Cost]:
    """Measure every operation ``rounds`` times, in a new order each time."""
    costs = {name: Cost() for name in operations}
    numbers = {name: count() for name in operations}
    for name, call in operations.items():
        _next(call, numbers[name])  # connects, and sends the script
    order = random.Random(1)
    for _ in range(rounds):
        for name in order.sample([*operations], len(operations)):
            _batch(partial(_next, operations[name], numbers[name]), client, costs[name])
    return costs


def _next(call: Callable[[int], object], number: Iterator[int]) -> None:
    call(next(number))


def _batch(call: Callable[[], None], client: redis.Redis, cost: Cost) -> None:
    before = _stats(client)
    with _sent() as sent:
        started = time.perf_counter()
        for _ in range(BATCH):
            call()
        cost.trip_us.append((time.perf_counter() - started) / BATCH * 1e6)
    after = _stats(client)
    ran, used_us = (sum(after[name][part] - before[name][part] for name in set(sent)) for part in (0, 1))
    if ran != len(sent):
        raise RuntimeError(f"{len(sent)} of {set(sent)} were sent, but {ran} ran: a script runs them too.")
    cost.redis_us.append(used_us / BATCH)
    cost.trips.append(len(sent) / BATCH)


def _stats(client: redis.Redis) -> defaultdict[str, tuple[int, int]]:
    """Return how often each command ran, and for how many µs; a command's time includes what its script runs."""
    stats = client.info("commandstats").items()
    return defaultdict(lambda: (0, 0), {name[8:]: (int(of["calls"]), int(of["usec"])) for name, of in stats})


@contextmanager
def _sent() -> Iterator[list[str]]:
    """Collect the commands that this thread's clients send; pyrate-limiter cleans up in another."""
    sent: list[str] = []
    original: Callable[..., None] = AbstractConnection.send_packed_command
    thread = threading.get_ident()

    def noting(connection: AbstractConnection, command: Sequence[bytes], check_health: bool = True) -> None:
        if threading.get_ident() == thread:
            sent.append(bytes(command[0]).split(b"\r\n")[2].decode().lower())
        original(connection, command, check_health)

    with patch.object(AbstractConnection, "send_packed_command", noting):
        yield sent


def _operations(url: Callable[[int], str], waiters: int, calls: int) -> Operations:
    """Prepare a database for each state, and return what is measured there."""
    libraries = _of_libraries(url)
    noop = redis.Redis.from_url(url(0)).register_script("return {'noop', 1}")
    with_room = _filled_limiter(url(1), ROOMY)
    out = _filled_limiter(url(2), ROOMY)
    for number in range(calls):
        out.acquire(f"s{number}")
    return {
        ("no-op", "bare"): lambda _: noop(),
        ("no-op", "with an acquire's keys and arguments"): lambda _: noop(keys=["x" * 24] * 5, args=["x" * 16] * 13),
        ("ours", "granted (room)"): lambda n: _expect(Granted, with_room.acquire(f"g{n}")),
        **_of_a_full_log(url, waiters),
        ("ours", "settle"): lambda n: out.settle(f"s{n}"),
        **libraries,
    }


def _of_a_full_log(url: Callable[[int], str], waiters: int) -> Operations:
    """Return ours on a full log, which is full for a minute."""
    alone, growing, crowded = (_filled_limiter(url(database), FULL) for database in (3, 4, 5))
    for number in range(waiters):
        crowded.acquire(f"w{number}", horizon_s=_HORIZON_S)
    crowd = f"full, {waiters:,} wait"
    return {
        ("ours", "denied (full)"): lambda n: _expect(Denied, alone.acquire(f"d{n}", horizon_s=0)),
        ("ours", "reserved (full)"): lambda n: _expect(Reserved, growing.acquire(f"r{n}", horizon_s=_HORIZON_S)),
        ("ours", f"denied ({crowd})"): lambda n: _expect(Denied, crowded.acquire(f"d{n}", horizon_s=0)),
        ("ours", f"reserved ({crowd})"): lambda n: _expect(Reserved, crowded.acquire(f"r{n}", horizon_s=_HORIZON_S)),
        ("ours", f"asked again ({crowd})"): lambda n: _expect(
            Reserved, crowded.acquire(f"w{n % waiters}", horizon_s=_HORIZON_S)
        ),
    }


def _of_libraries(url: Callable[[int], str]) -> Operations:
    operations: dict[tuple[str, str], Callable[[int], object]] = {}
    for number, (name, build) in enumerate(list(CONTENDERS.items())[1:]):
        room, full = build(url(6 + number), ROOMY), build(url(11 + number), FULL_FOR_LONG)
        _fill(room, 1200)
        _fill(build(url(11 + number), Quota(FULL_FOR_LONG.windows[-1:])), 1200)
        operations[name, "granted (room)"] = partial(_allowed, room, True)
        operations[name, "denied (full)"] = partial(_allowed, full, False)
    return operations


def _allowed(gate: Gate, expected: bool, number: int) -> None:
    if gate.ask(f"n{number}") is not expected:
        raise RuntimeError(f"{gate} was expected to say {expected}: the state is not what it should be.")


def _expect(kind: type[object], answer: object) -> None:
    if not isinstance(answer, kind):
        raise TypeError(f"{answer} is no {kind.__name__}: the state is not what it should be.")


def _fill(gate: Gate, calls: int) -> None:
    for number in range(calls):
        gate.ask(f"full{number:028}")


def _filled_limiter(url: str, quota: Quota, calls: int = 1200) -> Limiter:
    """Return a limiter whose log holds settled calls of the last seconds."""
    filling = Limiter(SecretStr(url), Quota(quota.windows[-1:]), key=SecretStr("k"), cap_s=CAP_S)
    filling.start_fresh()
    for number in range(calls):
        filling.acquire(f"full{number:028}")
        filling.settle(f"full{number:028}")
    limiter = Limiter(SecretStr(url), quota, key=SecretStr("k"), cap_s=CAP_S)
    limiter.adopt([])
    return limiter


def _rows(costs: Mapping[tuple[str, str], Cost]) -> list[tuple[str | float, ...]]:
    bare = middle(costs["no-op", "bare"].redis_us)
    return [
        (*name, middle(cost.redis_us), middle(cost.redis_us) / bare, middle(cost.trips), middle(cost.trip_us))
        for name, cost in costs.items()
    ]


def _memory(plans: list[str]) -> Table:
    """Measure what each plan's full log takes in Redis, in kB, all keys together."""
    with TemporaryDirectory() as folder, running_redis(Path(folder)) as server:
        client = redis.Redis.from_url(server.url())
        rows: list[tuple[str | float, ...]] = [
            (name, *(_kilobytes(client, server.url(), PLANS[plan], name) for plan in plans)) for name in CONTENDERS
        ]
    note = "Every window full, all keys together; ids of 32 characters in ours."
    return Table("The memory of a full plan (kB)", ("who", *plans), rows, note)


def _kilobytes(client: redis.Redis, url: str, quota: Quota, name: str) -> float:
    client.flushdb()
    if name == "ours":
        _filled_limiter(url, quota, quota.windows[-1].limit)
    else:
        for window in reversed(quota.windows[-1:] if name.startswith("pyrate") else quota.windows):
            _fill(CONTENDERS[name](url, Quota((window,))), window.limit)
    return sum(int(client.memory_usage(key, samples=0) or 0) for key in client.scan_iter()) / 1000
