"""The ledger of outcomes, the quarantine, the ledger of calls, and what is cleaned up."""

from datetime import timedelta

import pytest

from common.database.migrations import HEAD
from common.errors import RowRefused, StoreNotReady
from common.ledger import LastAttempt
from common.provider import MAX_BYTES, Request
from common.replies import RawReply
from common.retention.rules import RULES
from common.store import Store
from common.values import SETTLED, OutcomeStatus, Rejection, Symbol
from tests.support.rows import MONDAY, NOON, RUN, bar, outcome, quote, save_bars, save_quotes

IBM = Symbol("IBM")
OPEN = (OutcomeStatus.FAILED, OutcomeStatus.QUARANTINED, OutcomeStatus.PLANNED)
REJECTION = Rejection("missing_field", "05. price is missing", "price")


def attempts(market, symbol=IBM):
    return market.query("SELECT attempts, api_calls FROM fetch_outcomes WHERE symbol = %s", symbol)[0]


def settle(store, status):
    """Bring IBM to a settled status."""
    if status is OutcomeStatus.STORED:
        save_quotes(store, [quote()])
    store.ledger.record_outcomes([outcome(status=status)])


def test_plan_opens_line_for_each_symbol(store):
    """Each planned symbol has one line, planned twice or named twice."""
    symbols = [Symbol("NULL"), IBM, Symbol("BRK-B"), IBM]
    store.ledger.plan_run(RUN, symbols)
    store.ledger.plan_run(RUN, symbols)
    lines = store.ledger.outcomes(RUN)
    assert [line.symbol for line in lines] == ["BRK-B", "IBM", "NULL"]
    assert {line.status for line in lines} == {OutcomeStatus.PLANNED}
    assert store.ledger.outcomes("another") == []


@pytest.mark.parametrize("status", sorted(SETTLED))
def test_a_settled_symbol_is_left_alone(store, market, status):
    """A new plan and a redelivered task change nothing of a settled line, and the task is told what it was."""
    settle(store, status)
    before = store.ledger.outcomes(RUN)
    store.ledger.plan_run(RUN, [IBM])
    assert [store.ledger.start(RUN, IBM, "worker-2")] == before
    assert store.ledger.outcomes(RUN) == before
    assert attempts(market)[0] == 0


def test_unsettled_symbol_is_done_again(store, market):
    """A symbol that failed, was quarantined, or whose worker died is taken up again and counted."""
    for number, status in enumerate(OPEN, start=1):
        assert store.ledger.start(RUN, IBM, f"worker-{number}") is None
        if status is not OutcomeStatus.PLANNED:
            store.ledger.record_outcomes([outcome(status=status, worker=f"worker-{number}")])
    assert attempts(market) == (3, 2)
    [line] = store.ledger.outcomes(RUN)
    assert (line.status, line.reason, line.worker) == (OutcomeStatus.PLANNED, "", "worker-3")


def test_new_plan_takes_up_what_failed(store, market):
    """Planning the run again opens failed lines and forgets their reason, but not their calls."""
    store.ledger.start(RUN, IBM, "worker-1")
    store.ledger.record_outcomes([outcome(status=OutcomeStatus.FAILED)])
    store.ledger.plan_run(RUN, [IBM])
    assert [(line.status, line.reason) for line in store.ledger.outcomes(RUN)] == [(OutcomeStatus.PLANNED, "")]
    assert attempts(market) == (1, 1)


def test_postponed_symbol_opens_in_time(store, market):
    """Before ``retry_at`` a postponed symbol is settled, after it work starts."""
    later = market.query("SELECT now() + interval '1 hour'")[0][0]
    store.ledger.record_outcomes([outcome(status=OutcomeStatus.POSTPONED, retry_at=later)])
    postponed = store.ledger.start(RUN, IBM, "worker-1")
    assert (postponed.status, postponed.retry_at) == (OutcomeStatus.POSTPONED, later)
    store.ledger.record_outcomes([outcome(status=OutcomeStatus.POSTPONED, retry_at=later - timedelta(hours=2))])
    assert store.ledger.start(RUN, IBM, "worker-1") is None


def test_stored_is_final(store, market):
    """A second attempt that raced the first one cannot take a stored symbol back."""
    save_quotes(store, [quote()], [outcome()])
    store.ledger.record_outcomes([outcome(status=OutcomeStatus.FAILED)])
    save_quotes(store, [quote()], [outcome(api_calls=5)])
    [line] = store.ledger.outcomes(RUN)
    assert (line.status, line.reason, line.api_calls) == (OutcomeStatus.STORED, "inserted", 1)
    assert market.violations() == []


def test_calls_of_attempts_count_once(store, market):
    """Calls add up over attempts, and an outcome that is written twice is counted once."""
    for calls in (2, 3):
        store.ledger.start(RUN, IBM, "worker-1")
        for _ in range(2):
            store.ledger.record_outcomes([outcome(status=OutcomeStatus.FAILED, api_calls=calls)])
    assert attempts(market) == (2, 5)


def test_of_two_outcomes_the_last_counts(store):
    """The same symbol twice in one call is one line, with what was said last."""
    store.ledger.record_outcomes([outcome(status=OutcomeStatus.FAILED), outcome(status=OutcomeStatus.SKIPPED)])
    assert [line.status for line in store.ledger.outcomes(RUN)] == [OutcomeStatus.SKIPPED]


def test_foreign_text_fits_the_ledger(store):
    """NUL, half a surrogate pair and too long texts are made storable and lose nothing else."""
    detail = "a\x00b\ud800c😀" + "x" * 3000
    store.ledger.record_outcomes(
        [outcome(status=OutcomeStatus.FAILED, detail=detail, worker="w" * 999, reason="r" * 99)]
    )
    [line] = store.ledger.outcomes(RUN)
    assert line.detail.startswith("a\ufffdb\ufffdc😀xxx")
    assert (len(line.detail), len(line.worker), len(line.reason)) == (2000, 255, 64)


def test_only_a_runs_error_halts_it(store):
    """A rejected key halts a run, another run and a symbol's own failure do not."""
    store.ledger.record_outcomes([outcome("AAPL", OutcomeStatus.FAILED, reason="unknown_symbol")])
    assert store.ledger.halted_by(RUN) is None
    rejected = outcome("IBM", OutcomeStatus.FAILED, reason="api_key", detail="The key is not accepted.")
    store.ledger.record_outcomes([rejected])
    assert store.ledger.halted_by(RUN) == rejected
    assert store.ledger.halted_by("another") is None


def test_last_attempts_say_who_waits_longest(store, market):
    """For each symbol: the last attempt with its result, and since when it was only postponed."""
    symbols = [Symbol(name) for name in ("AAPL", "IBM", "MSFT", "NEW", "SKIP")]
    for number, (symbol, status) in enumerate(
        [
            ("AAPL", OutcomeStatus.STORED),
            ("IBM", OutcomeStatus.POSTPONED),
            ("IBM", OutcomeStatus.FAILED),
            ("IBM", OutcomeStatus.POSTPONED),
            ("IBM", OutcomeStatus.POSTPONED),
            ("MSFT", OutcomeStatus.POSTPONED),
            ("SKIP", OutcomeStatus.SKIPPED),
        ]
    ):
        store.ledger.record_outcomes([outcome(symbol, status, run_id=f"run-{number}")])
        market.query(
            "UPDATE fetch_outcomes SET finished_at = %s WHERE run_id = %s",
            NOON + timedelta(days=number),
            f"run-{number}",
        )
    assert store.ledger.last_attempts(symbols) == {
        "AAPL": LastAttempt(symbols[0], NOON, OutcomeStatus.STORED, "stored"),
        "IBM": LastAttempt(IBM, NOON + timedelta(days=2), OutcomeStatus.FAILED, "failed", NOON + timedelta(days=3)),
        "MSFT": LastAttempt(symbols[2], postponed_at=NOON + timedelta(days=5)),
    }


def quarantine(store, text="{}", symbol="IBM"):
    line = outcome(symbol, OutcomeStatus.QUARANTINED, reason="missing_field")
    request = Request("GLOBAL_QUOTE", symbol, {"symbol": symbol})
    return store.quarantine.keep(line, REJECTION, RawReply(request, Symbol(symbol), text, NOON))


def test_refused_reply_keeps_its_line(store, market):
    """The reply, the reason and the ledger line are stored together and can be read for a replay."""
    number = quarantine(store, '{"Global Quote": {}}')
    [kept] = store.quarantine.waiting()
    assert (kept.id, kept.run_id, kept.symbol, kept.function) == (number, RUN, "IBM", "GLOBAL_QUOTE")
    assert (kept.reason, kept.message, kept.payload) == ("missing_field", REJECTION.message, '{"Global Quote": {}}')
    assert kept.received_at == NOON
    assert [line.status for line in store.ledger.outcomes(RUN)] == [OutcomeStatus.QUARANTINED]
    assert market.violations() == []


def test_the_same_reply_is_kept_once(store):
    """Storing it again after a lost acknowledgement is the same row."""
    assert quarantine(store) == quarantine(store)
    assert len(store.quarantine.waiting()) == 1


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("\x00{}\x00", "\ufffd{}\ufffd"),
        ("<html>😀 %s %(x)s", "<html>😀 %s %(x)s"),
        ("", ""),
        ("é" * 2 * MAX_BYTES, "é" * 2 * MAX_BYTES),
    ],
    ids=["NUL", "markup", "empty", "large"],
)
def test_any_reply_can_be_kept(store, market, text, alone):
    """A refused reply comes back whole, beside the replies and where those are not kept: then NUL is replaced."""
    quarantine(store, text)
    assert [reply.payload for reply in store.quarantine.waiting()] == [text]
    ((shown,),) = market.query("SELECT payload FROM quarantine")
    assert shown == alone[:8192]
    with Store(market.dsn(), keeps_replies=False) as unkept:
        quarantine(unkept, text, "AAPL")
        assert [reply.payload for reply in unkept.quarantine.waiting()] == [text, alone]


def test_the_ledger_of_calls(store, market):
    """A call is noted once, settled once, forgotten only if it was never settled, and dated by the server."""
    for _ in range(2):
        store.calls.record_call("one", "key", dataset="quotes", symbol=IBM)
    store.calls.record_call("two", "key", dataset="quotes")
    store.calls.record_call("three", "another key", dataset="quotes")
    store.calls.settle_call("one")
    settled = market.query("SELECT settled_at FROM api_calls WHERE permit_id = 'one'")
    store.calls.settle_call("one")
    assert market.query("SELECT settled_at FROM api_calls WHERE permit_id = 'one'") == settled
    store.calls.forget_call("one")
    ages = {call.permit_id: call.age_s for call in store.calls.calls_since("key", 60)}
    assert ages.keys() == {"one", "two"}
    assert 0 <= ages["one"] <= 60
    store.calls.forget_call("two")
    assert [call.permit_id for call in store.calls.calls_since("key", 60)] == ["one"]


def test_calls_leave_the_window_once_settled(store, market):
    """A call counts from when it was settled, as the limiter's log does; an unsettled one from when it was sent."""
    for permit in ("settled late", "settled early", "never settled"):
        store.calls.record_call(permit, "key", dataset="quotes")
    market.query("UPDATE api_calls SET sent_at = now() - interval '100 s'")
    market.query("UPDATE api_calls SET settled_at = sent_at + interval '90 s' WHERE permit_id = 'settled late'")
    market.query("UPDATE api_calls SET settled_at = sent_at + interval '1 s' WHERE permit_id = 'settled early'")
    assert [call.permit_id for call in store.calls.calls_since("key", 60)] == ["settled late"]
    everyone = ["never settled", "settled early", "settled late"]
    calls = store.calls.calls_since("key", 200)
    assert [(call.permit_id, round(call.age_s, -1)) for call in calls] == list(
        zip(everyone, (100, 100, 10), strict=True)
    )


def test_an_earlier_version_notes_its_calls(store, market):
    """A worker of the version before, which still writes what a call costs, is counted during an update."""
    market.query("INSERT INTO api_calls (permit_id, key_digest, cost, dataset) VALUES ('earlier', 'key', 1, 'quotes')")
    store.calls.record_call("later", "key", dataset="quotes")
    assert {call.permit_id for call in store.calls.calls_since("key", 60)} == {"earlier", "later"}


def test_retention_deletes_all_but_bars(store, market):
    """Rows older than the retention go, in every table but the bars; calls after two days."""
    today = market.query("SELECT current_date")[0][0]
    ages = {"A": 0, "B": 90, "C": 91}
    save_quotes(store, [quote(symbol, day=today - timedelta(days=age)) for symbol, age in ages.items()])
    save_bars(store, [bar(session=MONDAY - timedelta(days=4000))])
    for symbol, age in ages.items():
        store.calls.record_call(symbol, "key", dataset="quotes")
        quarantine(store, symbol=symbol)
        market.query("UPDATE raw_replies SET (received_at, last_seen_at) = (%s, %s)", *[NOON - timedelta(days=99)] * 2)
        back = timedelta(days=age, minutes=1 if age == 91 else -1)
        for table, column in (("fetch_outcomes", "planned_at"), ("quarantine", "created_at"), ("api_calls", "sent_at")):
            key = "permit_id" if table == "api_calls" else "symbol"
            market.query(f"UPDATE {table} SET {column} = now() - %s WHERE {key} = %s", back, symbol)
    days = {**dict.fromkeys((rule.table for rule in RULES), 90), "api_calls": 2, "raw_replies": 30}
    deleted = {result.table: result.rows for result in store.retention.delete_old(days) if result.rows}
    assert deleted == {"stock_quotes": 1, "fetch_outcomes": 1, "quarantine": 1, "api_calls": 2, "raw_replies": 1}
    assert [one.symbol for one in store.quotes()] == ["A", "B"]
    assert market.query("SELECT count(*) FROM daily_bars") == [(1,)]
    assert {result.rows for result in store.retention.delete_old(days)} == {0}


def test_health(store, market):
    """The check tells version, revision and latency, and refuses a schema of another version."""
    health = store.check()
    assert health.at_head
    assert health.latency_s > 0
    assert str(health).startswith("PostgreSQL 1")
    health.require_head()
    market.query("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreNotReady, match=rf"revision 9999, but this version needs revision {HEAD}: run"):
        store.check().require_head()
    market.query("DROP TABLE alembic_version")
    assert store.check().revision is None


def test_the_ledger_refuses_nonsense(store):
    """Fewer than no calls, and a run id longer than the column, are refused and not cut."""
    with pytest.raises(RowRefused):
        store.ledger.record_outcomes([outcome(api_calls=-1)])
    with pytest.raises(RowRefused):
        store.ledger.plan_run("r" * 501, [IBM])
