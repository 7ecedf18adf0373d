"""What the provider said: kept before it is judged, once, without the key, and for a while."""

import json
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

import psycopg2
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from common import migrate as migration
from common.datasets import DATASETS
from common.errors import PayloadRejected
from common.provider import Request
from common.provider.strict_json import read_object
from common.replies import RawReply
from common.replies.raw_reply import pack, unpack
from common.retention.rules import RULES
from common.store import Store
from common.values import OutcomeStatus, Rejection, Reply, Symbol
from sandbox.running import RunningSandbox
from tests.support.batches import RUN, planned, symbols
from tests.support.market import Market
from tests.support.replies import quote_document
from tests.support.rows import NOON, outcome
from tests.support.wire import answering, response, wire
from tests.support.wiring import wired
from workers.pipeline.upkeep import delete_old
from workers.wiring import Wiring

IBM = Symbol("IBM")
BEFORE = "0011"
KEY = "Mark3dK3y"
QUOTE = json.dumps(quote_document())
SEEN = "SELECT received_at, last_seen_at FROM raw_replies ORDER BY id"
COUNT = "SELECT count(*) FROM raw_replies"


def said(text: str = QUOTE, symbol: str = "IBM", *, at: datetime = NOON, **params: str) -> RawReply:
    return RawReply(Request("GLOBAL_QUOTE", symbol, {"symbol": symbol, **params}), Symbol(symbol), text, at)


@pytest.fixture
def unkept(market: Market) -> Iterator[Store]:
    """A store that keeps no reply."""
    with Store(market.dsn(), keeps_replies=False) as opened:
        yield opened


def test_the_same_bytes_are_one_row(store: Store, market: Market):
    """What comes again moves its time alone; other bytes, or another question, are another row."""
    hour = timedelta(hours=1)
    store.replies.keep([said()])
    store.replies.keep([said(at=NOON + hour), said(at=NOON + hour)])
    store.replies.keep([said(at=NOON - hour)])  # of a slower worker
    assert market.query(SEEN) == [(NOON, NOON + hour)]
    store.replies.keep([said("{}"), said(entitlement="delayed"), said(symbol="AAPL")])
    assert market.query(COUNT) == [(4,)]


def test_a_reply_is_read_back(store: Store):
    """Of a symbol the newest comes first, each with what was asked, when it came, and its text; or one by its id."""
    store.replies.keep([said("first\x00\ud83d"), said("second", at=NOON + timedelta(hours=1)), said(symbol="AAPL")])
    second, first = store.replies.of("quotes", IBM)
    assert (second.text, first.text) == ("second", "first\x00\\ud83d")
    assert (first.function, first.params, first.symbol) == ("GLOBAL_QUOTE", {"symbol": "IBM"}, IBM)
    assert (first.received_at, first.last_seen_at, first.dataset) == (NOON, NOON, "quotes")
    assert store.replies.get(first.id) == first
    assert store.replies.get(0) is None
    assert store.replies.of("splits", IBM) == []


def test_a_reply_may_be_of_many(store: Store, market: Market):
    """A bulk reply has no symbol, and its question may be longer than an index entry can be."""
    names = ",".join(sha256(bytes([number])).hexdigest()[:32].upper() for number in range(100))
    store.replies.keep([RawReply(Request("REALTIME_BULK_QUOTES", "many", {"symbol": names}), None, "{}", NOON)] * 2)
    assert market.query("SELECT symbol, params->>'symbol' FROM raw_replies") == [(None, names)]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(1, 5_000))
def test_whatever_is_packed_comes_back(text: str, times: int):
    """Any text, of any size, is a zlib stream that anybody can read."""
    body = pack((text * times).encode())
    assert unpack(body) == text * times
    assert zlib.decompress(body).decode() == text * times


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_kept_reply_can_be_parsed_again(environment: dict[str, str], sandbox: RunningSandbox, dataset):
    """What is kept of each dataset gives the same rows as the reply itself did, at its time."""
    symbol = Symbol("SPLIT7")
    with Wiring(wired(environment).settings, dataset) as wiring:
        wiring.permits.prepare()
        wiring.job.run(RUN, symbol)
        (kept,) = wiring.store.replies.of(dataset.name, symbol)
        again = Reply(read_object(kept.text.encode()), kept.text, kept.received_at, 0)
        assert wiring.store.save(dataset.parse(symbol, again).rows).inserted == 0
        assert kept.params == dataset.request(symbol).params


def test_no_key_is_kept(environment: dict[str, str], market: Market):
    """A reply that repeats the key is kept without it, be it stored or refused."""
    echo = quote_document() | {"Information": f"your API key is {KEY}"}
    replies = [json.dumps(echo), json.dumps(quote_document(price=None) | {"note": KEY}), f"[{json.dumps(KEY)}]"]
    with (
        wire(answering(*(response(text.encode()) for text in replies))) as server,
        wired(environment, ALPHA_VANTAGE_API_KEY=KEY, ALPHA_VANTAGE_BASE_URL=server.url) as wiring,
    ):
        wiring.job.run(RUN, IBM)
        for run_id in ("second", "third"):
            with pytest.raises(PayloadRejected):
                wiring.job.run(run_id, IBM)
        assert KEY.encode() in server.requests[0]
    bodies = [zlib.decompress(body).decode() for (body,) in market.query("SELECT body FROM raw_replies ORDER BY id")]
    assert bodies == [text.replace(KEY, "***") for text in replies]
    assert KEY not in str(market.query("SELECT * FROM raw_replies")) + str(market.query("SELECT * FROM quarantine"))


def test_a_defect_loses_no_reply(wiring: Wiring, sandbox: RunningSandbox):
    """Where our own reading breaks, the reply that broke it is kept: of a symbol alone, and in a batch."""

    def broken(_symbol: Symbol, _reply: Reply):
        raise ZeroDivisionError

    job = replace(wiring.job, dataset=replace(wiring.dataset, parse=broken))
    with pytest.raises(ZeroDivisionError):
        job.run(RUN, IBM)
    assert len(wiring.store.replies.of("quotes", IBM)) == 1
    batch = planned(wiring, *symbols(20))
    with pytest.raises(ZeroDivisionError):
        replace(batch, job=job).run(RUN, 1)
    kept = [symbol for symbol in symbols(20) if wiring.store.replies.of("quotes", symbol)]
    assert len(kept) == len(sandbox.entries()) - 1 > 0


def test_a_batch_keeps_every_reply(wiring: Wiring, market: Market):
    """A batch writes many replies in one transaction, none later than its row; quarantine points at a refused one."""
    planned(wiring, *symbols(120), "FAULT-NAN", "FAULT-CUT-JSON", "FAULT-HTML", "NOSUCH1").run(RUN, 1)
    assert market.query(COUNT) == [(122,)]
    assert market.query("SELECT count(DISTINCT xmin::text) < 60 FROM raw_replies") == [(True,)]
    later = "kept.xmin::text::bigint > row.xmin::text::bigint"
    assert market.query(f"SELECT FROM stock_quotes AS row JOIN raw_replies AS kept USING (symbol) WHERE {later}") == []
    linked = "SELECT symbol, reply_id IS NOT NULL FROM quarantine ORDER BY symbol"
    assert market.query(linked) == [("FAULT-CUT-JSON", True), ("FAULT-HTML", False), ("FAULT-NAN", True)]
    assert len(wiring.store.quarantine.waiting()) == 3


def test_nothing_is_kept_for_no_days(environment: dict[str, str], store: Store, market: Market):
    """RAW_RETENTION_DAYS=0 writes no reply, deletes those that are there, and quarantine holds its own whole."""
    store.replies.keep([said()])
    with wired(environment, RAW_RETENTION_DAYS="0") as wiring:
        planned(wiring, *symbols(20), "FAULT-NAN").run(RUN, 1)
        with pytest.raises(PayloadRejected):
            wiring.job.run("alone", Symbol("FAULT-NAN"))
        assert market.query(COUNT) == [(1,)]
        assert all("NaN" in refused.payload for refused in wiring.store.quarantine.waiting())
        assert delete_old(wiring)["raw_replies"] == 1


def test_retention_counts_from_last_arrival(store: Store, market: Market, monkeypatch: pytest.MonkeyPatch):
    """What last came longer ago goes, in steps; what quarantine points at stays as long as that does."""
    monkeypatch.setattr("common.retention.retention.RULES", [replace(rule, step=3) for rule in RULES])
    days = {**dict.fromkeys(rule.table for rule in RULES), "quarantine": 90, "raw_replies": 30}

    def deleted() -> dict[str, int]:
        return {result.table: result.rows for result in store.retention.delete_old(days)}

    (now,) = market.query("SELECT now()")[0]
    old = now - timedelta(days=31)
    store.replies.keep([said(symbol=symbol, at=old) for symbol in symbols(10)])
    store.replies.keep([said(symbol=symbols(10)[0], at=now), said(at=now - timedelta(days=29))])
    store.quarantine.keep(
        outcome("S009", OutcomeStatus.QUARANTINED), Rejection("a", "b"), said(symbol="S009", text=QUOTE * 99, at=old)
    )
    assert deleted()["raw_replies"] == 9
    assert [refused.payload for refused in store.quarantine.waiting()] == [QUOTE * 99]
    assert market.query("SELECT symbol FROM raw_replies ORDER BY symbol") == [("IBM",), ("S000",), ("S009",)]
    market.query("UPDATE quarantine SET created_at = %s", old - timedelta(days=60))
    assert deleted()["raw_replies"] == 1


def test_each_role_has_its_rights(store: Store, market: Market):
    """The workers' role writes replies, and the reader reads them and no more."""
    store.replies.keep([said()])
    with closing(market.connect(market.reader)) as session, session.cursor() as cursor:
        cursor.execute("SELECT body FROM raw_replies")
        assert zlib.decompress(cursor.fetchall()[0][0]).decode() == QUOTE
        cursor.execute("SET default_transaction_read_only = off")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("DELETE FROM raw_replies")


def test_the_migration_keeps_what_is_there(store: Store, market: Market):
    """A database of the version before keeps its refused replies, and its workers go on; so does the way back."""
    text = QUOTE * 99
    config = Config()
    config.set_main_option("script_location", str(Path(migration.__file__).parent / "database" / "migrations"))
    engine = create_engine("postgresql+psycopg2://", creator=lambda: psycopg2.connect(market.owner.get_secret_value()))
    earlier = (
        "INSERT INTO quarantine (run_id, symbol, function, reason, message, payload, received_at) "
        "VALUES (%s, 'IBM', 'GLOBAL_QUOTE', 'no_rows', 'none', %s, now())"
    )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, BEFORE)
    market.query(earlier, "before", text)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    market.query(earlier, "by a worker of the version before", text)
    store.quarantine.keep(outcome(status=OutcomeStatus.QUARANTINED), Rejection("a", "b"), said(text))
    assert [refused.payload for refused in store.quarantine.waiting()] == [text] * 3
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, BEFORE)
    assert market.query("SELECT payload FROM quarantine") == [(text,), (text,), (text[:8192],)]
    engine.dispose()


def test_stored_quote_dates_its_reply(wiring: Wiring, market: Market):
    """The row's time and the kept reply's are the same, so that one leads to the other."""
    wiring.job.run(RUN, IBM)
    (stored,) = wiring.store.quotes([IBM])
    (kept,) = wiring.store.replies.of("quotes", IBM)
    assert stored.data_timestamp == kept.received_at
