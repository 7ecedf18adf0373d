"""What was kept, read again by today's rules: refused replies one by one, or all that is kept of a dataset.

No call is made and no permit taken. docs/adr/0025-replays.md says what a replay may change.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from common.datasets.bulk_quotes import BULK
from common.datasets.dataset import Dataset, Parsed, Table
from common.errors import PayloadRejected, PipelineError, RowRefused
from common.provider import Request, read_kept
from common.quarantine import NOT_WHOLE, QuarantinedReply
from common.replies import KeptReply
from common.store import Store
from common.store.replays import WRITTEN_WITHIN, AsOf, Reading
from common.values import Rejection, Reply, Symbol, UpsertCounts

#: Reasons of the wire: what is kept of such a reply is no data, whatever it looks like, or is not all of it.
_OF_THE_WIRE: Final[Mapping[str, str]] = {
    **NOT_WHOLE,
    "http_status": "it came with an HTTP status of refusal, so nothing in it is data",
}
Readers = Mapping[str, Dataset]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one reply: ``stored``, still ``refused``, ``not_kept_whole``, ``not_found``, or ``left`` alone.

    It is left where it was replayed already, or is in another replay's hands. ``symbol`` is empty for what many share.
    """

    id: int
    verdict: str
    dataset: str = ""
    symbol: str = ""
    reason: str = ""
    message: str = ""
    counts: UpsertCounts = field(default_factory=UpsertCounts)


def replay(store: Store, readers: Readers, ids: Iterable[int], *, dry_run: bool = False) -> Iterator[Result]:
    """Take up refused replies again, each in a transaction of its own; ``readers`` are the datasets by name."""
    for number in ids:
        yield _replay(store, readers, number, dry_run=dry_run)


def _replay(store: Store, readers: Readers, number: int, *, dry_run: bool) -> Result:
    refused = store.quarantine.get(number)
    if refused is None:
        return Result(number, "not_found", message="it is not in quarantine")
    about = partial(Result, number, dataset=refused.dataset, symbol=str(refused.symbol))
    if refused.replayed_at:
        return about("left", message=f"it was replayed at {refused.replayed_at:%Y-%m-%d %H:%M:%S %Z}")
    if why := _unusable(refused):
        return about("not_kept_whole", reason=refused.reason, message=_ask_again(refused.symbol, why))
    done = store.replays.replay(number, lambda claimed: _read_refused(claimed, readers), dry_run=dry_run)
    if done is None:
        return about("left", message="another replay has it in hand")
    if done.rejection:
        why = done.rejection.message
        return about("refused", reason=done.rejection.code, message=why, counts=done.counts)
    return about("stored", counts=done.counts)


def _unusable(refused: QuarantinedReply) -> str:
    return refused.not_whole or _OF_THE_WIRE.get(refused.reason, "")


def _ask_again(symbol: str, why: str) -> str:
    return f"{symbol}: the reply cannot be replayed: {why}. Ask for it again, with python -m workers.fetch_and_store."


def _read_refused(refused: QuarantinedReply, readers: Readers) -> Reading:
    """Return what a refused reply holds by today's rules; of a shared call, of every symbol that is known."""
    dataset = readers.get(refused.dataset)
    if dataset is None:
        return Reading(rejection=Rejection("unknown_dataset", f"this version knows no dataset {refused.dataset!r}"))
    bulk = BULK.get(dataset.name)
    shared = bulk is not None and refused.function == bulk.feature
    symbols = _symbols(refused.params, refused.symbol) if shared else [refused.symbol]
    parsed, rejections = _read(dataset, symbols, refused.payload, refused.received_at, shared=shared)
    moments = dict.fromkeys(parsed, refused.received_at)
    rejection = next((why for symbol, why in rejections if not shared or symbol in {refused.symbol, None}), None)
    if not rejection and not any(parsed.values()) and shared:
        rejection = Rejection("absent", f"the reply has no row for {refused.symbol}", "symbol")
    return Reading(_as_of(dataset, readers, parsed, moments, refused.run_id), rejection)


def reparse(
    store: Store,
    readers: Readers,
    dataset: Dataset,
    *,
    symbol: Symbol | None = None,
    since: datetime | None = None,
    dry_run: bool = False,
) -> Iterator[Result]:
    """Read all that is kept of a dataset again, and store what today's rules make of it.

    Of each symbol the newest reply comes first, and an older one gives only rows that no newer one has: so nothing is
    ever stored over what came later, also where this is interrupted. Daily bars and full history are read together,
    for they are rows of one table.
    """
    names = sorted(_related(dataset, readers))
    groups = [symbol] if symbol else store.replies.groups(names)
    for group in groups:
        ids = store.replies.ids(names, group, since=since, without=sorted(_OF_THE_WIRE))
        yield from _Group(store, readers, dry_run=dry_run).reparse(ids)


class _Group:
    """The kept replies about one symbol, or those about many, the newest first."""

    def __init__(self, store: Store, readers: Readers, *, dry_run: bool) -> None:
        self._store = store
        self._readers = readers
        self._dry_run = dry_run
        self._newest: datetime | None = None
        #: What a newer reply has said the last word of.
        self._known: set[tuple[object, ...]] = set()

    def reparse(self, ids: Sequence[int]) -> Iterator[Result]:
        for number in ids:
            if kept := self._store.replies.get(number):
                yield self._reparse(kept)

    def _reparse(self, kept: KeptReply) -> Result:
        about = partial(Result, kept.id, dataset=kept.dataset, symbol=str(kept.symbol or ""))
        dataset, shared = self._readers[kept.dataset], kept.symbol is None
        symbols = _symbols(kept.params, kept.symbol)
        if len(kept.text.encode("utf-8", "surrogatepass")) >= _request(dataset, symbols, shared=shared).max_bytes:
            why = NOT_WHOLE["too_large"]
            return about("not_kept_whole", reason="too_large", message=_ask_again(kept.symbol or "many symbols", why))
        parsed, rejections = _read(dataset, symbols, kept.text, kept.last_seen_at, shared=shared)
        self._newest = self._newest or kept.last_seen_at
        rows = {table: self._take(table, values) for table, values in parsed.items()}
        # Each quote is of its own day; a series is judged by the newest one, for older ones are its past.
        moments = {table: (kept.last_seen_at if table.version else self._newest) + WRITTEN_WITHIN for table in rows}
        try:
            as_of = _as_of(dataset, self._readers, rows, moments)
            counts = self._store.replays.store(as_of, dry_run=self._dry_run)
        except RowRefused as error:
            return about("refused", reason=error.reason, message=str(error))
        if rejections:
            _, first = rejections[0]
            return about("refused", reason=first.code, message=first.message, counts=counts)
        return about("stored", counts=counts)

    def _take(self, table: Table, rows: Sequence[object]) -> Sequence[object]:
        """Return the rows that no newer reply had; of a table that knows withdrawn rows a list is taken as a whole."""
        width = 2 if table.withdrawn else len(table.key)
        keyed = [((table.name, *table.key_of(row)[:width]), row) for row in rows]
        taken = [row for key, row in keyed if key not in self._known]
        self._known.update(key for key, _ in keyed)
        return taken


def _symbols(params: Mapping[str, str], symbol: Symbol | None) -> list[Symbol]:
    """Return the symbols that a request named, or the one that is known of it."""
    named = params.get("symbol", "")
    return [symbol] if symbol and symbol not in named.split(",") else [Symbol(name) for name in named.split(",")]


def _request(dataset: Dataset, symbols: Sequence[Symbol], *, shared: bool) -> Request:
    return BULK[dataset.name].request(symbols) if shared else dataset.request(symbols[0])


def _read(
    dataset: Dataset, symbols: Sequence[Symbol], text: str, received_at: datetime, *, shared: bool
) -> tuple[dict[Table, list[object]], list[tuple[Symbol | None, Rejection]]]:
    """Return the rows of a reply, and why others are refused: of which symbol, or None for the reply as a whole."""
    try:
        document = read_kept(_request(dataset, symbols, shared=shared), text)
        reply = Reply(document, text, received_at, 0)
        parse: Callable[[], Mapping[Symbol, Parsed | Rejection]] = (
            partial(BULK[dataset.name].parse, symbols, reply)
            if shared
            else lambda: {symbols[0]: dataset.parse(symbols[0], reply)}
        )
        found = parse()
    except PipelineError as error:
        code = error.code if isinstance(error, PayloadRejected) else error.reason
        return {}, [(None, Rejection(code, str(error)))]
    rows: dict[Table, list[object]] = {}
    rejections: list[tuple[Symbol | None, Rejection]] = []
    for symbol, verdict in found.items():
        if isinstance(verdict, Rejection):
            rejections.append((symbol, verdict))
        else:
            rejections += [(symbol, rejection) for rejection in verdict.rejections]
            for table, values in verdict.rows.items():
                rows.setdefault(table, []).extend(values)
    return rows, rejections


def _as_of(
    dataset: Dataset,
    readers: Readers,
    rows: Mapping[Table, Sequence[object]],
    moments: Mapping[Table, datetime],
    run_id: str = "",
) -> dict[Table, AsOf]:
    """Return rows with when they came, and who writes such rows; in a table of whole lists each writes its own kind."""
    return {
        table: AsOf(
            values,
            [
                each.name
                for each in readers.values()
                if each is dataset or (table in each.tables and not table.withdrawn)
            ],
            moments[table],
            run_id,
        )
        for table, values in rows.items()
    }


def _related(dataset: Dataset, readers: Readers) -> set[str]:
    """Return the names of the datasets whose rows this one's could overwrite, but for rows that say when they came."""
    shared = {table for table in dataset.tables if not table.version and not table.withdrawn}
    return {dataset.name} | {other.name for other in readers.values() if shared & set(other.tables)}
