"""The market database as the pipeline uses it: saving, reading, and its upkeep."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from time import perf_counter
from types import TracebackType
from typing import Self

from psycopg2.extensions import cursor as Cursor
from pydantic import SecretStr

from common.adjust.adjustments import Adjustments
from common.adjust.rebuild import refresh_factors
from common.database.address import Address
from common.database.migrations import HEAD
from common.database.pool import Connections
from common.database.queries import read_version
from common.database.rows import as_json
from common.database.upsert import latest_sessions
from common.datasets.dataset import Table
from common.datasets.quotes import TABLE
from common.errors import StoreNotReady
from common.gaps import GapTable
from common.ledger import CallLedger, Entitlements, OutcomeLedger
from common.notify import Outbox
from common.quality import FindingTable, Quality
from common.quarantine import Quarantine
from common.replies import RawReply, Replies
from common.retention.retention import Retention
from common.store.replays import Replays
from common.store.saving import (
    count_changes,
    reasons_by_symbol,
    require_aware,
    sessions_by_symbol,
    store_rows,
    with_reason,
)
from common.universe.listing_table import ListingTable
from common.values import Outcome, Quote, Symbol, UpsertCounts


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """The database's state. ``latency_s`` is one query's round trip, the connection already open."""

    server_version: str
    revision: str | None
    expected_revision: str
    latency_s: float

    @property
    def at_head(self) -> bool:
        """Whether the schema is the one that this version was written for."""
        return self.revision == self.expected_revision

    def __str__(self) -> str:
        state = f"revision {self.revision}" if self.revision else "no tables"
        wanted = "" if self.at_head else f", but this version needs revision {self.expected_revision}"
        return f"PostgreSQL {self.server_version}, {state}{wanted}"

    def require_head(self) -> None:
        """Raise StoreNotReady unless the schema is the one that this version was written for."""
        if not self.at_head:
            raise StoreNotReady(f"{self}: run python -m common.migrate of this version.")


class Store:
    """The market database: its rows, and beside them ``ledger``, ``calls``, ``replies``, ``quarantine`` with its
    ``replays``, ``listings``, the lists of companies, ``gaps``, what the bars lack, ``quality``, the checks, with their
    ``findings``, and ``notifications``, the outbox of messages.

    Replies are kept if ``keeps_replies``.

    Thread-safe; connects when it is first used, and again after the server restarted.
    ``dsn`` is a libpq URL. A statement may take ``timeout_s``, a transaction on a server that hangs twice as much.
    At most ``pool_size`` connections; a caller that finds them all busy waits up to ``timeout_s``.

    Every method raises StoreUnavailable (try again: nothing was stored, or it was stored and its acknowledgement
    got lost, and storing it again changes nothing), StoreNotReady (migrate first) or RowRefused.
    """

    def __init__(
        self,
        dsn: SecretStr,
        *,
        timeout_s: float = 10,
        pool_size: int = 4,
        application_name: str = "stock-pipeline",
        keeps_replies: bool = True,
    ) -> None:
        self._address = Address(dsn, timeout_s=timeout_s, application_name=application_name)
        self._connections = Connections(self._address, size=pool_size, timeout_s=timeout_s)
        self.ledger = OutcomeLedger(self._connections)
        self.calls = CallLedger(self._connections)
        self.listings = ListingTable(self._connections)
        self.gaps = GapTable(self._connections)
        self.findings = FindingTable(self._connections)
        self.quality = Quality(self._connections, self.findings)
        self.replies = Replies(self._connections, kept=keeps_replies)
        self.quarantine = Quarantine(self._connections, self.ledger, self.replies)
        self.notifications = Outbox(self._connections)
        self.replays = Replays(self._connections, self.quarantine)
        self.retention = Retention(self._connections)
        self.adjustments = Adjustments(self._connections)

    def __repr__(self) -> str:
        return f"Store({self._address})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        self._connections.close()

    def entitlements(self, key_digest: str, plan: str, *, holds_for: timedelta) -> Entitlements:
        """Return what the provider refuses to a key under its plan; a refusal holds for so long."""
        return Entitlements(self._connections, key_digest, plan, holds_for=holds_for)

    def save(
        self,
        rows: Mapping[Table, Sequence[object]],
        outcomes: Sequence[Outcome] = (),
        replies: Sequence[RawReply] = (),
    ) -> UpsertCounts:
        """Store rows and their ledger lines together; of two rows with one key the table says which one counts.

        With them go the ``replies`` that were not kept before.

        The ledger's reason for a stored symbol becomes ``inserted``, ``updated`` or ``unchanged``; one whose newest
        session is before the one that the plan wants is ``stale``. What a final day's last word changed is logged.
        """
        chosen = {table: table.one_of_each(values) for table, values in rows.items()}
        require_aware(chosen)

        def save(cursor: Cursor) -> UpsertCounts:
            self.replies.write(cursor, replies)
            changes = {table: store_rows(cursor, table, values) for table, values in chosen.items()}
            refresh_factors(cursor, changes)
            reasons = reasons_by_symbol(chosen, changes)
            self.ledger.write(cursor, [with_reason(each, reasons) for each in outcomes], sessions_by_symbol(chosen))
            return count_changes(changes, sum(map(len, chosen.values())))

        counts = self._connections.run(save)
        self.ledger.look_for_outage(outcomes)
        return counts

    def quotes(self, symbols: Iterable[Symbol] | None = None, limit: int = 1000) -> list[Quote]:
        """Return the newest quote of each of the symbols (of all, if None), by symbol, at most ``limit``."""
        if symbols is None:
            rows = self._connections.query("newest_quotes", {"row_limit": limit})
        else:
            asked = {"symbols": as_json(dict.fromkeys(symbols)), "row_limit": limit}
            rows = self._connections.query("newest_quotes_of", asked)
        return [Quote(Symbol(symbol), *values) for symbol, *values in rows]

    def latest_sessions(self, symbols: Iterable[Symbol], tables: Sequence[Table] = (TABLE,)) -> dict[Symbol, date]:
        """Return the trading day up to which all of the tables have rows, of each symbol that has some in each."""
        asked = {"symbols": as_json(dict.fromkeys(symbols))}

        def look(cursor: Cursor) -> dict[Symbol, date]:
            days: list[dict[str, date]] = []
            for table in tables:
                cursor.execute(latest_sessions(table), asked)
                days.append(dict(cursor.fetchall()))
            in_all = set.intersection(*map(set, days))
            return {Symbol(symbol): min(of_table[symbol] for of_table in days) for symbol in in_all}

        return self._connections.run(look)

    def unexplained_jumps(self, symbols: Iterable[Symbol]) -> dict[Symbol, datetime]:
        """Return the symbols whose price has lately jumped without a split that is stored, and when that was seen."""
        rows = self._connections.query("unexplained_jumps", {"symbols": as_json(dict.fromkeys(symbols))})
        return {Symbol(symbol): seen_at for symbol, seen_at in rows}

    # Upkeep

    def check(self) -> StoreHealth:
        """Return the server's version, the schema's revision and the time of a round trip."""

        def look(cursor: Cursor) -> StoreHealth:
            version, revision = read_version(cursor)
            started = perf_counter()
            cursor.execute("SELECT 1")
            return StoreHealth(version, revision, HEAD, perf_counter() - started)

        return self._connections.run(look)
