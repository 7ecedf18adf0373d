"""Old rows go in steps; nobody waits for them, and what must stay stays."""

import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg2
import pytest

from common.database.address import Address
from common.database.pool import Connections
from common.retention.retention import Deleted, Retention
from common.retention.rules import RULES
from common.store import Store
from common.values import OutcomeStatus, Symbol
from tests.support.market import Market
from tests.support.rows import MONDAY, bar, outcome, quote, save_bars, save_quotes

KEEP_ALL: dict[str, int | None] = {rule.table: None for rule in RULES}
OLD_CALLS = """
    INSERT INTO api_calls (permit_id, key_digest, dataset, sent_at)
    SELECT 'old ' || n, 'key', 'quotes', now() - interval '9 days' + n * interval '1 s'
    FROM generate_series(1, %s) AS n
"""
CALLS = {**KEEP_ALL, "api_calls": 2}


def count(market: Market, table: str) -> int:
    ((number,),) = market.query(f"SELECT count(*) FROM {table}")
    return int(number)


def of_calls(results) -> Deleted:
    (found,) = [result for result in results if result.table == "api_calls"]
    return found


def retention(market: Market, **options: float) -> Retention:
    address = Address(market.dsn(), timeout_s=10, application_name="retention")
    return Retention(Connections(address, size=2, timeout_s=10), **options)


def test_an_open_run_survives(store: Store, market: Market):
    """Of a run that has a line without an outcome every line stays, however old; then they go together."""
    store.ledger.plan_run("open", [Symbol("IBM"), Symbol("AAPL")])
    store.ledger.record_outcomes([outcome("IBM", run_id="open"), outcome("IBM", run_id="ended")])
    market.query("UPDATE fetch_outcomes SET planned_at = now() - interval '99 days'")
    days = {**KEEP_ALL, "fetch_outcomes": 90}
    assert [str(result) for result in store.retention.delete_old(days) if result.days is not None] == [
        "fetch_outcomes: 1 rows older than 90 days deleted, steps: 1"
    ]
    assert market.query("SELECT run_id, symbol FROM fetch_outcomes") == [("open", "AAPL"), ("open", "IBM")]
    store.ledger.record_outcomes([outcome("AAPL", OutcomeStatus.FAILED, run_id="open")])
    list(store.retention.delete_old(days))
    assert count(market, "fetch_outcomes") == 0


def test_workers_may_delete_by_every_rule(store: Store, market: Market):
    """The workers' role has the rights that a step needs on each table."""
    assert [(done.table, done.left) for done in store.retention.delete_old({rule.table: 1 for rule in RULES})] == [
        (rule.table, "") for rule in RULES
    ]


def test_what_is_kept_is_kept(store: Store, market: Market):
    """Where all settings say keep nothing is deleted; with 0 days today's rows go too; bars have no setting."""
    save_quotes(store, [quote(day=MONDAY - timedelta(days=4000))])
    save_bars(store, [bar(session=MONDAY - timedelta(days=4000))])
    market.query(OLD_CALLS, 3)
    store.calls.record_call("today", "key", dataset="quotes")
    assert {str(result) for result in store.retention.delete_old(KEEP_ALL)} == {
        f"{rule.table}: all rows are kept" for rule in RULES
    }
    assert (count(market, "stock_quotes"), count(market, "api_calls"), count(market, "daily_bars")) == (1, 4, 1)
    list(store.retention.delete_old({**KEEP_ALL, "api_calls": 0}))
    assert (count(market, "stock_quotes"), count(market, "api_calls"), count(market, "daily_bars")) == (1, 0, 1)


def test_steps_hold_nothing_in_between(market: Market, monkeypatch: pytest.MonkeyPatch):
    """Between two steps the deletion has no transaction open, so what it did is there for all, and no lock is left."""
    monkeypatch.setattr("common.retention.retention.RULES", [replace(rule, step=300) for rule in RULES])
    market.query(OLD_CALLS, 1000)
    locks = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE application_name = 'retention'"
    seen = []

    def look(table: str, rows: int) -> None:
        seen.append((table, rows, count(market, table), market.query(locks)))

    deleted = of_calls(retention(market).delete_old(CALLS, look))
    assert (deleted.rows, deleted.steps) == (1000, 4)
    assert seen == [("api_calls", done, 1000 - done, [(0,)]) for done in (300, 600, 900, 1000)]


def test_it_waits_for_nobody(store: Store, market: Market):
    """A row that another session holds, and a table that one has locked, are left to the next run; the others go."""
    market.query(OLD_CALLS, 10)
    save_quotes(store, [quote(day=MONDAY - timedelta(days=4000))])
    with closing(psycopg2.connect(market.dsn().get_secret_value())) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM api_calls ORDER BY sent_at LIMIT 1 FOR UPDATE")
        assert of_calls(store.retention.delete_old(CALLS)).rows == 9
    with closing(psycopg2.connect(market.admin.get_secret_value())) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE api_calls IN ACCESS EXCLUSIVE MODE")
        results = list(store.retention.delete_old({**CALLS, "stock_quotes": 90}))
        assert [result.rows for result in results if result.days] == [1, 0]
        assert str(of_calls(results)).endswith("left to the next run: another session has locked the table.")
    assert of_calls(store.retention.delete_old(CALLS)).rows == 1


def test_others_are_never_blocked(store: Store, market: Market):
    """Sessions that give up after a second of waiting read, write and change the same rows all the while."""
    market.query(OLD_CALLS, 40_000)
    over, worked, blocked = threading.Event(), [0], list[str]()

    def work() -> None:
        with closing(market.connect(market.dsn())) as session, session.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
            while not over.is_set() and not blocked:
                try:
                    cursor.execute("UPDATE api_calls SET symbol = 'IBM' WHERE permit_id = 'old 39999'")
                    cursor.execute("SELECT count(*) FROM api_calls WHERE symbol = 'IBM'")
                    cursor.execute("SELECT FROM api_calls WHERE permit_id LIKE 'old 1999%' FOR UPDATE")
                    cursor.execute(
                        "INSERT INTO api_calls (permit_id, key_digest, dataset) VALUES ('new', 'key', 'quotes')"
                        " ON CONFLICT (permit_id) DO UPDATE SET settled_at = now()"
                    )
                except psycopg2.Error as error:
                    blocked.append(str(error))
                worked[0] += 1

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        while count(market, "api_calls") > 1:  # what was held just then is the next run's
            list(store.retention.delete_old(CALLS))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert blocked == []
    assert worked[0] > 2


SLOW = """
    CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_sleep(0.002);
        RETURN old;
    END
    $$;
    CREATE TRIGGER slow BEFORE DELETE ON api_calls FOR EACH ROW EXECUTE FUNCTION slow();
"""


def test_a_step_is_made_smaller(market: Market):
    """A step that would hold its locks for too long is taken back, and tried with half as many rows."""
    market.query(OLD_CALLS, 100)
    market.query(SLOW)  # as if the disk were: all hundred take at least two bounds
    deleted = of_calls(retention(market, step_s=0.1).delete_old(CALLS))
    assert deleted.rows == 100
    assert deleted.steps > 1


def test_one_row_that_is_too_slow(market: Market):
    """Where even one row takes too long the table is left alone, and said so."""
    market.query(OLD_CALLS, 2)
    market.query(SLOW.replace("0.002", "10"))
    deleted = of_calls(retention(market, step_s=0.02).delete_old(CALLS))
    assert (deleted.rows, deleted.left) == (0, "to delete one takes over 0.02 s.")


_KILLED = """
import os, sys
from pydantic import SecretStr
from common.store import Store

def told(table, rows):
    print(rows, flush=True)
    sys.stdin.read()  # until it is killed

with Store(SecretStr(os.environ["DSN"])) as store:
    list(store.retention.delete_old({"api_calls": 2, **dict.fromkeys(sys.argv[1:])}, told))
"""


def test_it_goes_on_after_kill(store: Store, market: Market):
    """What a killed deletion had done is done; the next one does the rest."""
    market.query(OLD_CALLS, 12_000)
    others = [rule.table for rule in RULES if rule.table != "api_calls"]
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, *others],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"DSN": market.dsn().get_secret_value()},
        cwd=Path(__file__).parents[2],
    ) as child:
        assert child.stdout.readline() == "5000\n"
        child.kill()
    assert count(market, "api_calls") == 7_000
    assert of_calls(store.retention.delete_old(CALLS)).rows == 7_000
