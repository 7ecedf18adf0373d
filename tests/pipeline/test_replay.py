"""Replays: refused replies judged by today's rules, stored as of when they came, without a call."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from psycopg2.extensions import cursor as Cursor

from common.datasets import DATASETS, daily_bars
from common.datasets.bulk_quotes import BULK
from common.datasets.daily_bars import DAILY_BARS
from common.datasets.dataset import Dataset, Table
from common.datasets.quotes import QUOTES
from common.errors import PayloadRejected
from common.replies import RawReply
from common.store import Store
from common.store.saving import Changes, store_rows
from common.values import OutcomeStatus, Rejection, Reply, Symbol, UpsertCounts
from sandbox.running import RunningSandbox
from tests.support.batches import RUN as BATCH_RUN
from tests.support.batches import planned, symbols
from tests.support.bulk import BULK as SHARED
from tests.support.bulk import PREMIUM
from tests.support.corruptions import sound, spoilt
from tests.support.market import Market
from tests.support.replies import BULK_ROW, bulk_document, quote_document, series_document
from tests.support.rows import NOON, RUN, bar, outcome, quote, save_bars, save_quotes
from tests.support.wire import answering, response, wire
from tests.support.wiring import wired
from workers.pipeline.replay import Result, reparse, replay

IBM = Symbol("IBM")
HOUR = timedelta(hours=1)
WAITING = "SELECT count(*) FROM quarantine WHERE replayed_at IS NULL"
BARS = "SELECT session, close_price FROM daily_bars ORDER BY session"
LENIENT = ("common.datasets.quotes.check_change", lambda _: None)


def refuse(
    store: Store, document: object, reason: str = "outside_range", *, dataset: Dataset = QUOTES, at: datetime = NOON
) -> int:
    """Keep a reply about IBM as refused; return its id."""
    text = document if isinstance(document, str) else json.dumps(document)
    line = outcome(status=OutcomeStatus.QUARANTINED, run_id=f"{RUN}-{at}", dataset=dataset.name)
    said = RawReply(dataset.request(IBM), IBM, text, at, dataset.name)
    return store.quarantine.keep(line, Rejection(reason, "it was refused"), said)


def run(store: Store, *ids: int, readers: Mapping[str, Dataset] = DATASETS, dry_run: bool = False) -> list[Result]:
    return list(replay(store, readers, ids or store.quarantine.waiting_ids(), dry_run=dry_run))


def verdicts(results: Sequence[Result]) -> list[tuple[str, str]]:
    return [(result.verdict, result.reason) for result in results]


def series(**closes: str) -> dict[str, object]:
    """A series of IBM; ``d05="221"`` is the close of 5 October."""
    bars = {
        f"2026-10-{name[1:]}": {
            "1. open": close,
            "2. high": close,
            "3. low": close,
            "4. close": close,
            "5. volume": "1",
        }
        for name, close in closes.items()
    }
    return series_document(bars)


def closes(market: Market) -> dict[int, Decimal]:
    return {session.day: close for session, close in market.query(BARS)}


@pytest.fixture
def everything(market: Market) -> Callable[[], object]:
    """What is stored, without the time at which a reply was looked at."""

    def look() -> list[object]:
        tables = ("stock_quotes", "daily_bars", "corporate_actions", "quarantine", "fetch_outcomes", "raw_replies")
        return [market.query(f"SELECT * FROM {table} ORDER BY 1, 2, 3") for table in tables]

    return look


@pytest.mark.parametrize("name", DATASETS)
def test_sixty_corruptions_and_their_replay(
    environment: dict[str, str], market: Market, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, name: str
):
    """None is stored, each is in quarantine with its reason; rules that take them store them without a call, once."""
    kinds, dataset = spoilt(name), DATASETS[name]
    assert len(kinds) >= 60
    bodies = [response(body) for body, _ in kinds.values()]
    with (
        wire(answering(*bodies)) as server,
        wired(
            environment,
            ALPHA_VANTAGE_API_KEY="Mark3dK3y",
            ALPHA_VANTAGE_BASE_URL=server.url,
            ALPHA_VANTAGE_QUOTA="900/s",
        ) as wiring,
    ):
        job = replace(wiring.job, dataset=replace(dataset, instead=None))
        for kind in kinds:
            with suppress(PayloadRejected):
                job.run(kind, IBM)
        calls = len(server.requests)
        assert calls == len(kinds)
        found = dict(market.query("SELECT run_id, reason FROM quarantine"))
        assert found == {kind: reason for kind, (_, reason) in kinds.items()}
        tables = [table.name for table in dataset.tables]
        assert [market.query(f"SELECT count(*) FROM {table}") for table in tables] == [[(0,)]] * len(tables)

        assert {result.verdict for result in run(wiring.store)} == {"refused", "not_kept_whole"}
        assert dict(market.query("SELECT run_id, reason FROM quarantine")) == found

        monkeypatch.setattr("workers.pipeline.replay.read_kept", lambda *_: sound(name))
        results = run(wiring.store)
        cut = sum(reason == "not_utf8" for reason in found.values())
        assert [result.verdict for result in results].count("stored") == len(kinds) - cut
        assert all("no UTF-8" in result.message for result in results if result.verdict != "stored")
        assert market.query(WAITING) == [(cut,)]
        assert [market.query(f"SELECT count(*) FROM {table}") for table in tables] == [[(1,)]] * len(tables)
        assert len(server.requests) == calls
        assert market.violations() == []


def test_a_mended_check_stores_it(
    store: Store, market: Market, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, everything
):
    """Once the check is mended the reply is stored as of when it came, and leaves quarantine; no call is made."""
    number = refuse(store, quote_document(change="5.0000"), "change_mismatch")
    assert verdicts(run(store, number)) == [("refused", "change_mismatch")]
    monkeypatch.setattr(*LENIENT)
    before = everything()
    assert verdicts(run(store, number, dry_run=True)) == [("stored", "")]
    assert everything() == before
    (result,) = run(store, number)
    assert (result.verdict, result.counts.inserted) == ("stored", 1)
    assert [row.data_timestamp for row in store.quotes([IBM])] == [NOON]
    assert market.query(WAITING) == [(0,)]
    before = everything()
    assert [result.verdict for result in run(store, number)] == ["left"]
    assert run(store) == []
    assert everything() == before
    assert sandbox.entries() == []


def test_what_is_refused_still_says_why(store: Store, market: Market):
    """What today's rules refuse for another reason stays, with that reason and its sentence."""
    number = refuse(store, quote_document(price="NaN"), "outside_range")
    assert verdicts(run(store, number)) == [("refused", "not_a_number")]
    ((reason, message),) = market.query("SELECT reason, message FROM quarantine")
    assert (reason, "05. price='NaN'" in message) == ("not_a_number", True)


def test_a_part_is_stored(store: Store, market: Market):
    """Of a series what is sound is stored, and it waits on for what is not."""
    number = refuse(store, series(d05="221", d02="NaN"), dataset=DAILY_BARS)
    (result,) = run(store, number)
    assert (result.verdict, result.reason, result.counts.inserted) == ("refused", "not_a_number", 1)
    assert closes(market) == {5: Decimal(221)}
    assert market.query(WAITING) == [(1,)]
    assert run(store, number)[0].counts.unchanged == 1


def test_a_newer_bar_stays(store: Store, market: Market):
    """Where a run stored the symbol since the reply came, only sessions that are missing are stored."""
    number = refuse(store, series(d05="1", d02="2"), dataset=DAILY_BARS)
    line = outcome(run_id="later", dataset="daily_bars")
    store.save({daily_bars.TABLE: [bar()]}, [line])
    assert run(store, number)[0].counts.unchanged == 1
    assert closes(market) == {2: Decimal(2), 5: Decimal("221.58")}


def test_an_older_bar_is_restated(store: Store, market: Market):
    """Where nothing came since, the reply has the last word of what was stored before it."""
    save_bars(store, [bar()])
    number = refuse(store, series(d05="1"), dataset=DAILY_BARS)
    assert run(store, number)[0].counts.updated == 1
    assert closes(market) == {5: Decimal(1)}


def test_a_confirmed_row_stays(store: Store, market: Market):
    """A later reply that found a row as it should be left it untouched, and yet has the last word of it."""
    save_quotes(store, [quote(seconds=-60)])
    number = refuse(store, quote_document(open="222.0000"))
    save_quotes(store, [quote(seconds=60)], [outcome(run_id="later")])
    assert run(store, number)[0].counts.unchanged == 1
    assert [row.open_price for row in store.quotes([IBM])] == [Decimal("222.3")]


def test_another_day_is_no_later_word(store: Store):
    """What was stored of another trading day says nothing of this one's quote."""
    save_quotes(store, [quote(seconds=-60)])
    number = refuse(store, quote_document(open="222.0000"))
    save_quotes(store, [quote(day=date(2026, 10, 6), seconds=60)], [outcome(run_id="later")])
    assert run(store, number)[0].counts.updated == 1


@pytest.mark.parametrize("order", [1, -1], ids=["oldest first", "newest first"])
def test_two_replies_in_any_order(store: Store, market: Market, order: int):
    """Of two refused replies of a symbol the later one has the last word, whichever is replayed first."""
    ids = [
        refuse(store, series(d05=close), dataset=DAILY_BARS, at=NOON + HOUR * number)
        for number, close in enumerate(("1", "2"))
    ]
    run(store, *ids[::order])
    assert closes(market) == {5: Decimal(2)}
    assert market.query(WAITING) == [(0,)]


def test_a_withdrawn_split_stays_withdrawn(store: Store, market: Market):
    """Of a list the later one has the last word as a whole: a replay neither revives nor withdraws a row."""
    splits = DATASETS["splits"]
    number = refuse(store, sound("splits"), dataset=splits)
    later = {"symbol": "IBM", "data": [{"effective_date": "1999-05-27", "split_factor": "2.0000"}]}
    rows = splits.parse(IBM, Reply(later, "", NOON + HOUR, 0)).rows
    store.save(rows, [outcome(run_id="later", dataset="splits")])
    assert [result.verdict for result in run(store, number)] == ["stored"]
    actions = "SELECT ex_date, withdrawn_at FROM corporate_actions"
    assert market.query(actions) == [(date(1999, 5, 27), None)]


def test_the_refused_part_of_a_list(environment: dict[str, str], store: Store, market: Market):
    """What was stored of a list stays beside what its replay adds: its own run's line is no later word."""
    splits = DATASETS["splits"]
    refused = {"effective_date": "2021-11-04", "split_factor": "NaN"}
    document = {"symbol": "IBM", "data": [refused, {"effective_date": "1999-05-27", "split_factor": "2.0000"}]}
    with (
        wire(answering(response(json.dumps(document).encode()))) as server,
        wired(environment, ALPHA_VANTAGE_API_KEY="Mark3dK3y", ALPHA_VANTAGE_BASE_URL=server.url) as wiring,
    ):
        replace(wiring.job, dataset=splits).run(RUN, IBM)
    mended = replace(splits, parse=lambda symbol, reply: splits.parse(symbol, replace(reply, document=sound("splits"))))
    assert verdicts(run(store, readers={"splits": mended})) == [("stored", "")]
    assert market.query("SELECT count(*) FROM corporate_actions") == [(2,)]


def test_a_shared_reply_serves_all(store: Store, market: Market):
    """A reply to a call for many symbols is stored for each of them, though only the first has a line in quarantine."""
    names = [Symbol("MSTR"), Symbol("AAPL")]
    text = json.dumps(bulk_document(*(BULK_ROW | {"symbol": name} for name in names)))
    line = outcome("MSTR", OutcomeStatus.PLANNED, api_calls=0)
    said = RawReply(BULK["quotes"].request(names), None, text, NOON)
    store.quarantine.keep(line, Rejection("wrong_structure", "it was no list"), said)
    assert verdicts(run(store)) == [("stored", "")]
    assert market.query("SELECT symbol FROM stock_quotes ORDER BY symbol") == [("AAPL",), ("MSTR",)]


def test_a_notice_beside_samples_stays_refused(store: Store, market: Market):
    """Rows beside the notice of a missing right are samples, also when they are read again."""
    text = json.dumps(bulk_document(BULK_ROW) | {"message": "This is a premium endpoint."})
    said = RawReply(BULK["quotes"].request([Symbol("MSTR")]), None, text, NOON)
    store.quarantine.keep(outcome("MSTR", OutcomeStatus.PLANNED, api_calls=0), Rejection("a", "b"), said)
    assert verdicts(run(store)) == [("refused", "premium_required")]
    assert market.query("SELECT count(*) FROM stock_quotes") == [(0,)]


@pytest.mark.parametrize("reason", ["too_large", "not_decodable", "not_utf8", "http_status"])
def test_what_is_not_whole_is_said(store: Store, market: Market, everything, reason: str):
    """What was cut, or is no data whatever it looks like, is not replayed though it reads well; a sentence says why."""
    number = refuse(store, quote_document(), reason)
    before = everything()
    (result,) = run(store, number)
    assert (result.verdict, result.reason) == ("not_kept_whole", reason)
    assert result.message.startswith("IBM: the reply cannot be replayed: it")
    assert everything() == before


def test_what_was_once_cut_is_said(store: Store, market: Market):
    """Of a version that cut long replies without a word the length tells."""
    number = refuse(store, quote_document())
    market.query("UPDATE quarantine SET reply_id = NULL, payload = rpad(%s, 262144)", json.dumps(quote_document()))
    (result,) = run(store, number)
    assert (result.verdict, "only its beginning was kept" in result.message) == ("not_kept_whole", True)


def test_a_row_postgresql_refuses(store: Store, market: Market, monkeypatch: pytest.MonkeyPatch):
    """A check that lets too much pass is stopped by the table: nothing is stored, and the reason is the table's."""
    number = refuse(store, quote_document(high="1.0000"), "high_below_low")
    monkeypatch.setattr("common.datasets.quotes.check_range", lambda _: None)
    assert verdicts(run(store, number)) == [("refused", "row_refused")]
    assert market.query("SELECT reason, replayed_at FROM quarantine") == [("row_refused", None)]


def test_two_replays_at_once(store: Store, market: Market):
    """Each refused reply is stored by one of two replays, whatever they do at the same time."""
    for number in range(20):
        refuse(store, series(d05=str(number + 1)), dataset=DAILY_BARS, at=NOON + HOUR * number)
    together, results = threading.Barrier(2), list[Result]()

    def work() -> None:
        together.wait()
        results.extend(run(store))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(result.verdict == "stored" for result in results) == 20
    assert closes(market) == {5: Decimal(20)}


def test_a_run_that_stores_meanwhile(store: Store, market: Market, monkeypatch: pytest.MonkeyPatch):
    """What a run stores between a replay's look and its write has the last word: the replay looks again."""
    number = refuse(store, series(d05="1", d02="2"), dataset=DAILY_BARS)

    def store_later(cursor: Cursor, table: Table, rows: Sequence[object]) -> Changes:
        monkeypatch.setattr("common.store.replays.store_rows", store_rows)
        with Store(market.dsn()) as run_store:
            run_store.save({daily_bars.TABLE: [bar()]}, [outcome(run_id="later", dataset="daily_bars")])
        return store_rows(cursor, table, rows)

    monkeypatch.setattr("common.store.replays.store_rows", store_later)
    assert run(store, number)[0].counts == UpsertCounts(inserted=1, unchanged=1)
    assert closes(market) == {2: Decimal(2), 5: Decimal("221.58")}


@pytest.mark.parametrize("fault", ["NAN", "MISSING-FIELD", "HIGH-BELOW-LOW", "VOLUME-NEGATIVE", "DASH-FIELD"])
def test_a_row_of_a_shared_call(
    environment: dict[str, str], market: Market, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, fault: str
):
    """A row that is refused in a shared call waits on its own, and is stored once the rules take it, without a call."""
    with wired(environment, **PREMIUM) as wiring:
        planned(wiring, *symbols(20), f"FAULT1-{fault}").run(BATCH_RUN, 1)
        (waiting,) = wiring.store.quarantine.waiting()
        assert (waiting.function, waiting.symbol) == (SHARED, f"FAULT1-{fault}")
        assert verdicts(run(wiring.store)) == [("refused", waiting.reason)]
        calls = len(sandbox.entries())
        row = BULK_ROW | {"symbol": waiting.symbol, "timestamp": "2026-10-02 16:00:00"}
        monkeypatch.setattr("workers.pipeline.replay.read_kept", lambda *_: bulk_document(row))
        assert verdicts(run(wiring.store)) == [("stored", "")]
        assert (market.query(WAITING), len(sandbox.entries())) == ([(0,)], calls)
        assert market.query("SELECT count(*) FROM stock_quotes WHERE symbol ~ 'FAULT'") == [(2,)]


def keep(store: Store, document: object, at: datetime, dataset: Dataset = DAILY_BARS) -> None:
    store.replies.keep([RawReply(dataset.request(IBM), IBM, json.dumps(document), at, dataset.name)])


def read_all(store: Store, dataset: Dataset = DAILY_BARS, **how: object) -> list[Result]:
    return list(reparse(store, DATASETS, dataset, **how))  # type: ignore[arg-type]


def test_kept_replies_mend_what_is_stored(store: Store, market: Market, everything):
    """After a parser changed each row is what the newest reply that has it says; the second time nothing changes."""
    (now,) = market.query("SELECT now()")[0]
    keep(store, series(d01="1", d02="2"), now - 2 * HOUR)
    keep(store, series(d02="3", d05="4"), now)
    save_bars(store, [bar(session=date(2026, 10, day)) for day in (1, 2, 5)])
    before = everything()
    assert len(read_all(store, dry_run=True)) == 2
    assert everything() == before
    read_all(store)
    assert closes(market) == {1: Decimal(1), 2: Decimal(3), 5: Decimal(4)}
    before = everything()
    assert {result.counts.updated for result in read_all(store)} == {0}
    assert everything() == before
    assert read_all(store, symbol=Symbol("AAPL")) == []
    assert len(read_all(store, since=now - HOUR)) == 1


def test_an_unkept_later_reply_counts(store: Store, market: Market):
    """Where the ledger knows of a later reply than is kept, what is stored stays."""
    (now,) = market.query("SELECT now()")[0]
    keep(store, series(d02="2", d05="1"), now - HOUR)
    store.save({daily_bars.TABLE: [bar()]}, [outcome(dataset="daily_bars")])
    read_all(store)
    assert closes(market) == {2: Decimal(2), 5: Decimal("221.58")}


def test_history_and_bars_share_rows(store: Store, market: Market):
    """Bars are read again with the history that they continue, for both are rows of one table."""
    (now,) = market.query("SELECT now()")[0]
    keep(store, series(d02="2"), now - HOUR)
    keep(store, series(d02="3"), now, DATASETS["full_history"])
    read_all(store)
    assert closes(market) == {2: Decimal(3)}


def test_every_dataset_can_be_reparsed(environment: dict[str, str], sandbox: RunningSandbox, everything):
    """What was fetched of each dataset changes nothing when it is read again."""
    symbol = Symbol("SPLIT7")
    with wired(environment) as wiring:
        for dataset in DATASETS.values():
            replace(wiring.job, dataset=dataset).run(dataset.name, symbol)
        before, calls = everything(), len(sandbox.entries())
        for dataset in DATASETS.values():
            results = read_all(wiring.store, dataset)
            assert {result.verdict for result in results} == {"stored"}
        assert (everything(), len(sandbox.entries())) == (before, calls)


def test_quotes_out_of_bars_come_back(environment: dict[str, str], store: Store):
    """Where quotes are taken from bars a replayed series brings its quote, too."""
    number = refuse(store, series(d05="2", d02="1"), dataset=DAILY_BARS)
    with wired(environment, QUOTES_FROM="bars") as wiring:
        assert verdicts(run(store, number, readers=wiring.datasets)) == [("stored", "")]
    assert [row.previous_close for row in store.quotes([IBM])] == [Decimal(1)]
