"""What breaks around the store: other writers, restarts, lost acknowledgements, a server that hangs, bad settings."""

import os
import secrets
import signal
import socket
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg2
import pytest
from pydantic import SecretStr

from common.datasets import quotes
from common.datasets.corporate_actions import ACTIONS
from common.errors import ConfigurationError, PipelineError, RowRefused, StoreNotReady, StoreUnavailable
from common.store import Store
from common.store.saving import upsert_rows
from common.values import OutcomeStatus, Symbol, UpsertCounts
from local.ports import free_port
from local.services import Postgres
from local.temporary import wait_until
from tests.support.actions import day, dividend
from tests.support.rows import RUN, bar, outcome, quote, save_bars, save_quotes
from tests.support.servers import serving


def backends(market):
    """The process ids of the store's connections."""
    rows = market.query(
        "SELECT pid FROM pg_stat_activity WHERE datname = %s AND application_name = 'stock-pipeline'", market.database
    )
    return [pid for (pid,) in rows]


def waiters(market):
    """How many statements wait for a lock in this database."""
    return market.query(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'", market.database
    )[0][0]


@pytest.mark.parametrize("table", ["stock_quotes", "daily_bars", "fetch_outcomes"])
def test_rows_are_locked_by_key(store, market, table):
    """A writer that was given B before A waits at A without having locked B, so no ring of waiters can form."""
    writes = {
        "stock_quotes": lambda volume: save_quotes(store, [quote(s, volume=volume, seconds=volume) for s in "BA"]),
        "daily_bars": lambda volume: save_bars(store, [bar(s, volume=volume) for s in "BA"]),
        "fetch_outcomes": lambda calls: store.ledger.record_outcomes(
            [outcome(s, OutcomeStatus.FAILED, api_calls=calls) for s in "BA"]
        ),
    }
    writes[table](1)
    with closing(market.connect(market.admin)) as other, other.cursor() as cursor, ThreadPoolExecutor(1) as thread:
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT FROM {table} WHERE symbol = 'A' FOR UPDATE")
        writing = thread.submit(writes[table], 2)
        wait_until(lambda: waiters(market) == 1, "the writer waits at A", 5)
        try:
            cursor.execute(f"SELECT FROM {table} WHERE symbol = 'B' FOR UPDATE NOWAIT")
        finally:
            cursor.execute("ROLLBACK")
        writing.result(30)


def test_lists_of_symbol_wait_first(store, market):
    """Who stores another list of a symbol waits before it has locked a row, so that neither waits for the other."""
    store.save({ACTIONS: [dividend(day(1), "1"), dividend(day(2), "1")]})
    first, second = [dividend(day(1), "1"), dividend(day(2), "2")], [dividend(day(1), "3")]
    with closing(psycopg2.connect(market.dsn().get_secret_value())) as one, ThreadPoolExecutor(1) as thread:
        upsert_rows(one.cursor(), ACTIONS, first)
        writing = thread.submit(store.save, {ACTIONS: second})
        wait_until(lambda: waiters(market) == 1, "the second list waits", 5)
        try:
            market.query("SELECT FROM corporate_actions WHERE ex_date = %s FOR UPDATE NOWAIT", day(1))
        finally:
            one.commit()
        writing.result(10)
    stored = "SELECT amount, withdrawn_at IS NULL FROM corporate_actions ORDER BY ex_date"
    assert market.query(stored) == [(3, True), (2, False)]


def test_opposite_writers_do_not_deadlock(market_dsn, market):
    """Two writers that get the same symbols in opposite orders never wait for each other in a ring."""
    symbols = [f"S{number}" for number in range(100)]
    barrier = threading.Barrier(2)

    def write(order: int) -> int:
        with Store(market_dsn, pool_size=1) as store:
            barrier.wait()
            saved = 0
            for seconds in range(20):
                mine = symbols[::order]
                batch = [quote(symbol, seconds=seconds, volume=order + 1 + seconds) for symbol in mine]
                lines = [outcome(symbol, run_id=f"run-{seconds}") for symbol in mine]
                saved += save_quotes(store, batch, lines).total
            return saved

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(write, (1, -1))) == [2000, 2000]
    assert market.query("SELECT deadlocks FROM pg_stat_database WHERE datname = %s", market.database) == [(0,)]
    assert market.violations() == []


@pytest.mark.parametrize(
    ("other", "ours", "counts"),
    [
        (quote(), quote(seconds=1), UpsertCounts(unchanged=1)),
        (quote(seconds=1), quote(volume=2), UpsertCounts(unchanged=1)),
        (quote(), quote(seconds=1, volume=7_000_000), UpsertCounts(updated=1)),
    ],
    ids=["equal", "newer", "older"],
)
def test_row_that_another_writer_inserts_meanwhile(store, market, other, ours, counts):
    """The rules hold against a row that was not there yet when the statement began."""
    inserted, commit = threading.Event(), threading.Event()

    def hold(cursor):
        upsert_rows(cursor, quotes.TABLE, [other])
        inserted.set()
        commit.wait(30)

    with ThreadPoolExecutor(2) as threads:
        try:
            held = threads.submit(store._connections.run, hold)
            inserted.wait(30)
            saving = threads.submit(save_quotes, store, [ours])
            wait_until(lambda: waiters(market) == 1, "the second writer waits for the first", 5)
        finally:
            commit.set()
        held.result(30)
        assert saving.result(30) == counts
    assert store.quotes() == [ours if counts.updated else other]


@pytest.mark.parametrize("sqlstate", ["40P01", "40001"])
def test_deadlock_victim_is_tried_again(store, sqlstate):
    """A deadlock or a serialisation failure is repeated once, from the start; the second one is the caller's."""
    failures = 1

    def work(cursor):
        nonlocal failures
        cursor.execute("INSERT INTO api_calls (permit_id, key_digest) VALUES ('p', 'k')")
        if failures:
            failures -= 1
            cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'given up' USING ERRCODE = '{sqlstate}'; END $$")

    store._connections.run(work)
    assert [call.permit_id for call in store.calls.calls_since("k", 60)] == ["p"]
    store.calls.forget_call("p")
    failures = 2
    with pytest.raises(StoreUnavailable, match="given up; try again"):
        store._connections.run(work)
    assert failures == 0
    assert store.calls.calls_since("k", 60) == []


def test_threads_share_a_bounded_pool(market_dsn, market):
    """Sixteen threads store through two connections, and no third one is opened."""
    with Store(market_dsn, pool_size=2) as store, ThreadPoolExecutor(16) as threads:
        counts = list(threads.map(lambda number: save_quotes(store, [quote(f"S{number}")]), range(64)))
        assert counts == [UpsertCounts(inserted=1)] * 64
        assert 1 <= len(backends(market)) <= 2


def test_pool_that_stays_busy_says_so(market_dsn, market):
    """Who finds all connections busy for the whole time-out gets an error with the remedy."""
    store = Store(market_dsn, pool_size=1, timeout_s=0.3)
    entered, leave = threading.Event(), threading.Event()

    def occupy(cursor):
        entered.set()
        leave.wait(30)

    with ThreadPoolExecutor(1) as thread:
        busy = thread.submit(store._connections.run, occupy)
        entered.wait(30)
        with pytest.raises(StoreUnavailable, match=r"all 1 connections .* were busy for 0.3 s; try again"):
            store.ledger.outcomes(RUN)
        leave.set()
        busy.result(30)
    assert store.ledger.outcomes(RUN) == []
    store.close()


def test_store_connects_at_first_use():
    """A store of a server that is not there can be built, shown and closed; its use names what to do."""
    store = Store(SecretStr(f"postgresql://market_app:{secrets.token_hex(4)}@127.0.0.1:{free_port()}/market"))
    assert "market_app" not in repr(store)
    with pytest.raises(StoreUnavailable, match="start PostgreSQL, or correct MARKET_DATABASE_URL"):
        store.ledger.outcomes(RUN)
    store.close()


def test_connections_that_server_closed_are_replaced(store, market):
    """After the server ended every connection the next call works, as after a restart."""
    save_quotes(store, [quote()])
    [pid] = backends(market)
    market.query("SELECT pg_terminate_backend(%s, 10000)", pid)
    assert save_quotes(store, [quote()]) == UpsertCounts(unchanged=1)
    assert pid not in backends(market)


def test_a_restarted_server_is_found_again(services_folder):
    """A store outlives the server's restart; while it is down the error says what to do."""
    server = Postgres(services_folder / "restarted", free_port(), secrets.token_hex(8), durable=False)
    server.initialise()
    with Store(SecretStr(server.url())) as store:
        with serving(server):
            assert store.check().revision is None
        with pytest.raises(StoreUnavailable, match="start PostgreSQL"):
            store.check()
        with serving(server):
            assert store.check().revision is None


def test_cut_connection_is_replaced(store, market):
    """A server process that dies under a statement is StoreUnavailable; the call after it works."""

    def cut(cursor):
        market.query("SELECT pg_terminate_backend(%s, 10000)", cursor.connection.info.backend_pid)
        cursor.execute("SELECT 1")

    with pytest.raises(StoreUnavailable, match="try again"):
        store._connections.run(cut)
    assert store.ledger.outcomes(RUN) == []


def test_a_server_that_hangs_is_left(market_dsn, market):
    """A server that answers nothing, its statement time-out included, ends in an error and not in endless waiting."""
    with Store(market_dsn, timeout_s=0.25) as store:
        store.ledger.outcomes(RUN)
        [pid] = backends(market)
        # A wait without end in libpq would ignore every time-out of the tests: wake the server in any case.
        wake = threading.Timer(20, os.kill, [pid, signal.SIGCONT])
        wake.start()
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(StoreUnavailable):
                store.ledger.outcomes(RUN)
        finally:
            wake.cancel()
            os.kill(pid, signal.SIGCONT)
        assert store.ledger.outcomes(RUN) == []


def test_a_slow_statement_is_ended(market_dsn, market):
    """A row that somebody keeps locked ends in the statement's time-out, with the remedy, and nothing is stored."""
    with Store(market_dsn, timeout_s=0.25) as store, closing(market.connect(market.admin)) as other:
        save_quotes(store, [quote()])
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("UPDATE stock_quotes SET volume = 1")
            with pytest.raises(StoreUnavailable, match="statement timeout; try again, or raise MARKET_DB_TIMEOUT"):
                save_quotes(store, [quote("A"), quote(seconds=1, volume=7_000_000)])
            cursor.execute("ROLLBACK")
        assert [one.symbol for one in store.quotes()] == ["IBM"]
        assert save_quotes(store, [quote(seconds=1, volume=7_000_000)]) == UpsertCounts(updated=1)


class CuttingProxy:
    """Passes bytes on to PostgreSQL; the first COMMIT's answer is swallowed and the connection cut."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.swallowed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        """PostgreSQL's protocol takes turns: pass a message on, then its answer, as they come."""
        server = socket.create_connection(self._target)
        threading.Thread(target=self._answers, args=[server, client], daemon=True).start()
        self._committing = False
        while data := self._receive(client):
            self._committing = b"COMMIT" in data and not self.swallowed
            server.sendall(data)
        server.close()

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        while data := self._receive(server):
            if self._committing:
                self.swallowed += 1
                break
            client.sendall(data)
        client.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _receive(side: socket.socket) -> bytes:
        try:
            return side.recv(65536)
        except OSError:
            return b""


def test_a_lost_acknowledgement_is_stored_once(market):
    """When COMMIT's answer is lost the caller is told to try again, and trying again changes nothing."""
    proxy = CuttingProxy(market.server.port)
    url = market.dsn().get_secret_value().replace(f":{market.server.port}/", f":{proxy.port}/")
    with closing(proxy), Store(SecretStr(url)) as store:
        with pytest.raises(StoreUnavailable, match="try again"):
            save_quotes(store, [quote()], [outcome()])
        assert proxy.swallowed == 1
        assert save_quotes(store, [quote()], [outcome()]) == UpsertCounts(unchanged=1)
        [line] = store.ledger.outcomes(RUN)
        assert (line.status, line.reason, line.api_calls) == (OutcomeStatus.STORED, "inserted", 1)
        assert store.ledger.start(RUN, Symbol("IBM"), "worker-2") == line
    assert market.violations() == []


def leaks(error: BaseException) -> str:
    """Everything that a log, a traceback or a repr would show of an error."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.args) + repr(vars(error))


WRONG_PASSWORD = "correct MARKET_DB_PASSWORD"
NO_URL = "MARKET_DATABASE_URL is not a PostgreSQL URL"


@pytest.mark.parametrize(
    ("url", "kind", "remedy"),
    [
        ("postgresql://market_app:{secret}@127.0.0.1:{port}/{database}", StoreUnavailable, WRONG_PASSWORD),
        ("postgresql://market_app@127.0.0.1:{port}/{database}", StoreUnavailable, WRONG_PASSWORD),
        ("postgresql://market_app:{password}@127.0.0.1:{port}/none", StoreUnavailable, "python -m common.migrate"),
        ("postgresql://market_app:{secret}@no-such-host.invalid/x", StoreUnavailable, "host in MARKET_DATABASE_URL"),
        ("postgresql://market_app:{secret}%zz@127.0.0.1/market", ConfigurationError, NO_URL),
        ("postgresql://market_app@127.0.0.1/market?{secret}=1", ConfigurationError, NO_URL),
        ("host=127.0.0.1 {secret}", ConfigurationError, NO_URL),
    ],
)
def test_wrong_url_names_the_remedy(market, url, kind, remedy):
    """Whatever is wrong with the connection URL: the error says what to correct and shows no password."""
    secret = "s3cret-MARK"
    dsn = url.format(secret=secret, port=market.server.port, database=market.database, password=market.password)
    with pytest.raises(kind, match=remedy) as raised, Store(SecretStr(dsn)) as store:
        store.ledger.outcomes(RUN)
    assert secret not in leaks(raised.value)
    assert market.password not in leaks(raised.value)


def test_errors_hold_no_row(store):
    """A refused row is named by its constraint; its values, which PostgreSQL adds as detail, stay out."""
    refused_row = quote(volume=-(10**9 + 7))
    with pytest.raises(RowRefused) as refused:
        save_quotes(store, [refused_row])
    assert "\n" not in str(refused.value)
    assert "stock_quotes_volume" in str(refused.value)
    assert str(refused_row.volume) not in leaks(refused.value)


def test_missing_tables_and_rights_end_run(market_dsn, market):
    """A schema that is not there, or a right that is missing, is no reason to try again."""
    market.query("REVOKE SELECT ON latest_quotes FROM market_app")
    market.query("DROP TABLE quarantine")
    with Store(market_dsn) as store:
        for use in (store.quotes, store.quarantine.waiting):
            with pytest.raises(StoreNotReady, match=r"run python -m common.migrate"):
                use()
        assert store.ledger.outcomes(RUN) == []
        assert len(backends(market)) == 1


def test_callers_error_rolls_back(store):
    """Whatever is raised inside a transaction ends it without a trace, and the connection can be used again."""

    def fail(cursor):
        cursor.execute("INSERT INTO api_calls (permit_id, key_digest) VALUES ('p', 'k')")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store._connections.run(fail)
    assert store.calls.calls_since("k", 60) == []


def test_every_store_error_is_ours(store, market):
    """Also a read-only server, as after a failover, is an error of ours that can heal."""
    market.query(f"ALTER DATABASE {market.database} SET default_transaction_read_only = on")
    with pytest.raises(PipelineError) as refused:
        save_quotes(store, [quote()])
    assert isinstance(refused.value, StoreUnavailable)
