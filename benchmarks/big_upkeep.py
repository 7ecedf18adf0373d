"""The deletion of old rows in a big market, and how long another session waits meanwhile."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle
from threading import Event
from typing import Final

from psycopg2.extensions import cursor as Cursor

from benchmarks.big_market import BigMarket
from benchmarks.big_writes import Days
from benchmarks.clusters import progress
from benchmarks.comparing import percentile
from benchmarks.tables import Table
from common.datasets import quotes
from common.retention.rules import RULES
from common.store import Store
from common.values import Outcome, OutcomeStatus

#: How old the rows are that are made to be deleted, and from which age on they go (days).
AGE: Final = 1_000
KEPT: Final = 900
#: How many saves of the other session are timed while nothing is deleted.
ALONE: Final = 400
_BATCH: Final = 50
_RUN: Final = "neighbour"
# Copies of the newest rows: as much as a month or two of the market leave behind.
_AGED: Final = {
    "stock_quotes": """
INSERT INTO stock_quotes (
    symbol, open_price, high_price, low_price, price, volume, latest_trading_day, previous_close, change_amount,
    change_percent, data_timestamp
)
SELECT
    symbol, open_price, high_price, low_price, price, volume, latest_trading_day - %(age)s, previous_close,
    change_amount, change_percent, data_timestamp
FROM stock_quotes ORDER BY latest_trading_day DESC LIMIT %(rows)s
""",
    "fetch_outcomes": """
INSERT INTO fetch_outcomes (run_id, dataset, symbol, status, planned_at, finished_at, batch, place, session)
SELECT
    'aged:' || run_id, dataset, symbol, status, planned_at - make_interval(days => %(age)s),
    finished_at - make_interval(days => %(age)s), batch, place, session - %(age)s
FROM fetch_outcomes WHERE status = 'stored' ORDER BY planned_at DESC LIMIT %(rows)s
""",
    "api_calls": """
INSERT INTO api_calls (permit_id, key_digest, symbol, sent_at, settled_at)
SELECT
    'aged:' || permit_id, key_digest, symbol, sent_at - make_interval(days => %(age)s),
    settled_at - make_interval(days => %(age)s)
FROM api_calls LIMIT %(rows)s
""",
    "raw_replies": """
INSERT INTO raw_replies (dataset, function, params, symbol, received_at, last_seen_at, sha256, size, body)
SELECT
    dataset, function, params, symbol, received_at - make_interval(days => %(age)s),
    last_seen_at - make_interval(days => %(age)s), sha256(sha256), size, body
FROM raw_replies ORDER BY id DESC LIMIT %(rows)s
""",
}
_ROWS: Final = 100_000


def retention(
    market: BigMarket, days: Days, cursor: Cursor, *, rows: int = _ROWS, alone: int = ALONE
) -> Iterator[Table]:
    """Delete rows that were made for it, while another session stores batches as the pipeline does."""
    for statement in _AGED.values():
        cursor.execute(statement, {"age": AGE, "rows": rows})
    progress("old rows: made")
    with Store(market.dsn(), timeout_s=60) as store, Store(market.dsn(), timeout_s=60) as other:
        save = _saving(other, days)
        _, *quiet = [save() for _ in range(alone + 1)]
        with _meanwhile(save) as busy:
            deleted = list(_deletion(store))
    cursor.execute("DELETE FROM fetch_outcomes WHERE run_id = %s", (_RUN,))
    cursor.execute("VACUUM (ANALYZE) raw_replies, api_calls")
    yield Table("Deleting old rows", ("table", "rows", "steps", "took (s)"), deleted, _DELETED)
    yield Table(
        f"Another session's save of {_BATCH} quotes meanwhile (ms)",
        ("deletion", "saves", "p50", "p95", "longest"),
        [_waits("none", quiet), _waits("goes on", busy)],
        _WAITS,
    )


def _deletion(store: Store) -> Iterator[tuple[str | float, ...]]:
    begun = time.perf_counter()
    for done in store.retention.delete_old({rule.table: KEPT for rule in RULES}):
        if done.rows:
            yield done.table, done.rows, done.steps, time.perf_counter() - begun
        if done.left:
            progress(str(done))
        begun = time.perf_counter()


def _saving(store: Store, days: Days) -> Callable[[], float]:
    """Return what stores a batch of quotes and its ledger lines, another one each time, and says how long it took."""
    rows = days.quotes_of(days.sessions[0])
    batches = cycle([rows[at : at + _BATCH] for at in range(0, len(rows), _BATCH)])

    def save() -> float:
        batch = [replace(row, data_timestamp=datetime.now(UTC), volume=row.volume + 1) for row in next(batches)]
        outcomes = [Outcome(_RUN, row.symbol, OutcomeStatus.STORED) for row in batch]
        begun = time.perf_counter()
        store.save({quotes.TABLE: batch}, outcomes)
        return time.perf_counter() - begun

    return save


@contextmanager
def _meanwhile(work: Callable[[], float]) -> Iterator[list[float]]:
    """Do the work again and again beside the block; yield a list that has its results when the block has ended."""
    results, ended = list[float](), Event()

    def go_on() -> None:
        while not ended.is_set():
            results.append(work())

    with ThreadPoolExecutor(1) as pool:
        going = pool.submit(go_on)
        try:
            yield results
        finally:
            ended.set()
            going.result()


def _waits(name: str, seconds: list[float]) -> tuple[str | float, ...]:
    return name, len(seconds), *(percentile(seconds, percent) * 1000 for percent in (50, 95, 100))


_DELETED: Final = (
    f"Store.retention.delete_old of copies that were made {AGE:,} days old. Its steps are transactions; the next one "
    "begins where the last one ended."
)
_WAITS: Final = (
    "Store.save of quotes of a new day and their ledger lines, as a batch stores them, commit included, in one thread "
    "beside the deletion's. Both share the cores and the disk, so a save waits for more than locks."
)
