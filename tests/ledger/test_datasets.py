"""What became of one dataset says nothing of another."""

from datetime import UTC, datetime, timedelta

from common.provider import Request
from common.replies import RawReply
from common.store import Store
from common.values import Outcome, OutcomeStatus, Rejection, Symbol
from tests.support.market import Market
from tests.support.rows import quote, save_quotes
from workers.pipeline.planning import StoredState, make_plan
from workers.pipeline.report import close_left_over_runs
from workers.wiring import Wiring

IBM = Symbol("IBM")
#: Before the close of a New York session, and after it.
NOON = datetime(2026, 10, 5, 16, 0, tzinfo=UTC)
NIGHT = datetime(2026, 10, 6, 4, 0, tzinfo=UTC)


def ended(run: str, status: OutcomeStatus, reason: str, dataset: str = "quotes") -> Outcome:
    return Outcome(run, IBM, status, reason, "", api_calls=1, dataset=dataset)


def at(market: Market, run: str, time: datetime) -> None:
    market.query("UPDATE fetch_outcomes SET planned_at = %s, finished_at = %s WHERE run_id = %s", time, time, run)


def plan_of(store: Store, dataset: str = "quotes"):
    known = StoredState(store.latest_sessions([IBM]), store.ledger.last_attempts([IBM], dataset), dataset)
    return make_plan([IBM], known, None, moment=NIGHT, grace=timedelta(minutes=15))


def test_history_makes_no_quote_final(store: Store, market: Market):
    """A quote of noon is asked for again at night, though the day's bars came after the close."""
    save_quotes(store, [quote(data_timestamp=NOON)], [ended("noon", OutcomeStatus.STORED, "stored")])
    at(market, "noon", NOON)
    store.ledger.record_outcomes([ended("night", OutcomeStatus.STORED, "stored", "daily_bars")])
    at(market, "night", NIGHT - timedelta(hours=1))
    assert plan_of(store).fetch == (IBM,)
    assert plan_of(store, "daily_bars").skip


def test_a_refused_history_silences_no_quote(store: Store, market: Market):
    """That the plan does not cover full history keeps the bars back for a week, and the quote not at all."""
    store.ledger.record_outcomes([ended("night", OutcomeStatus.FAILED, "premium_required", "daily_bars")])
    at(market, "night", NIGHT - timedelta(days=1))
    assert plan_of(store, "daily_bars").failed
    assert plan_of(store).fetch == (IBM,)


def test_each_feed_closes_its_own_runs(wiring: Wiring):
    """A run of quotes that begins leaves the lines of the history's run open, and the other way round."""
    ledger = wiring.store.ledger
    ledger.plan_run("history:yesterday", [IBM], dataset="daily_bars")
    ledger.plan_run("yesterday", [IBM])
    close_left_over_runs(wiring, "today", lambda _: False)
    assert ledger.open_runs("today") == ["history:yesterday"]
    close_left_over_runs(wiring, "history:today", lambda run_id: run_id == "yesterday", feed="history")
    assert ledger.open_runs("today") == ["history:yesterday"]
    close_left_over_runs(wiring, "history:today", lambda _: False, feed="history")
    assert ledger.open_runs("today") == []


def test_a_refused_reply_knows_its_dataset(store: Store):
    """Whoever replays it knows which reader it is for."""
    line = ended("night", OutcomeStatus.QUARANTINED, "no_rows", "daily_bars")
    said = RawReply(Request("TIME_SERIES_DAILY", IBM), IBM, "{}", NIGHT, "daily_bars")
    store.quarantine.keep(line, Rejection("no_rows", "none"), said)
    assert [reply.dataset for reply in store.quarantine.waiting()] == ["daily_bars"]


def test_call_is_noted_with_its_dataset(wiring: Wiring, market: Market):
    """The durable ledger says for which dataset and symbol a permit of the day went."""
    wiring.store.ledger.plan_run("run", [IBM])
    wiring.job.run("run", IBM)
    assert market.query("SELECT dataset, symbol FROM api_calls") == [("quotes", "IBM")]


def test_worker_of_version_before_goes_on(market: Market):
    """Its statements name no dataset; what they write during an update is the quotes'."""
    insert = "INSERT INTO fetch_outcomes (run_id, symbol, status, attempts) VALUES ('run', 'IBM', 'planned', 1)"
    market.query(f"{insert} ON CONFLICT (run_id, symbol) DO UPDATE SET attempts = 2")
    market.query(f"{insert} ON CONFLICT (run_id, symbol) DO UPDATE SET attempts = 2")
    assert market.query("SELECT dataset, attempts FROM fetch_outcomes") == [("quotes", 2)]
