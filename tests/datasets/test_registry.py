"""Every dataset of the registry goes the whole way: permit, call, reading, table, ledger."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import pytest

from common.command_line import ExitCode
from common.datasets import DATASETS, quotes
from common.datasets.daily_bars import DAILY_BARS
from common.datasets.dataset import SYMBOL, Dataset, Every, Table
from common.datasets.quotes import QUOTES
from common.datasets.quotes_from_bars import QUOTES_FROM_BARS
from common.settings import PipelineSettings
from common.store import Store
from common.values import OutcomeStatus, Symbol, UpsertCounts
from sandbox.running import RunningSandbox
from tests.support.market import Market
from tests.support.replies import RECEIVED_AT, reply_of
from tests.support.rows import outcome
from tests.support.wiring import wired
from workers import fetch_and_store
from workers.pipeline.feeds import FIRST, OTHERS
from workers.pipeline.planning import NOT_DUE
from workers.pipeline.run import plan_run
from workers.wiring import Wiring

PAYER = Symbol("SPLIT7")


@pytest.fixture(params=DATASETS.values(), ids=DATASETS)
def wiring(request: pytest.FixtureRequest, environment: dict[str, str]) -> Iterator[Wiring]:
    with Wiring(PipelineSettings.from_environment(environment), request.param) as opened:
        opened.permits.prepare()
        yield opened


def run(wiring: Wiring, name: str, symbol: Symbol = PAYER):
    wiring.store.ledger.plan_run(name, [symbol], dataset=wiring.dataset.name)
    wiring.job.run(name, symbol)
    (line,) = wiring.store.ledger.outcomes(name)
    return line


def rows(market: Market, dataset: Dataset) -> list[tuple]:
    return [row for table in dataset.tables for row in market.query(f"SELECT *, xmin FROM {table.name} ORDER BY 1, 2")]


def test_a_dataset_is_stored_once(wiring: Wiring, market: Market):
    """The first run inserts what the sandbox serves, the second changes no row, and each costs one call."""
    first = run(wiring, "first")
    stored = rows(market, wiring.dataset)
    assert first.status is OutcomeStatus.STORED
    assert stored or wiring.dataset.name == "dividends"
    assert first.reason == ("inserted" if stored else "stored")
    second = run(wiring, "second")
    assert second.reason == ("unchanged" if stored else "stored")
    assert rows(market, wiring.dataset) == stored
    assert market.query("SELECT dataset, symbol FROM api_calls") == [(wiring.dataset.name, "SPLIT7")] * 2


def test_a_refused_reply_is_kept(wiring: Wiring, sandbox: RunningSandbox, market: Market):
    """A reply that is no JSON stores nothing, and stands in quarantine under its dataset and function."""
    sandbox.change("faults", faults="cut-json:1")
    wiring.store.ledger.plan_run("run", [PAYER], dataset=wiring.dataset.name)
    with pytest.raises(Exception, match="SPLIT7"):
        wiring.job.run("run", PAYER)
    (kept,) = wiring.store.quarantine.waiting()
    assert (kept.dataset, kept.function) == (wiring.dataset.name, wiring.dataset.request(PAYER).function)
    assert rows(market, wiring.dataset) == []


PERIODIC = [feed for feed in OTHERS if isinstance(DATASETS[feed].due, Every)]


@pytest.mark.parametrize("feed", PERIODIC)
def test_a_feed_waits_its_period(environment: dict[str, str], market: Market, feed: str):
    """A symbol that was answered is skipped until its period is over, and then it is asked for again."""
    with wired(environment) as wiring:
        assert plan_run(wiring, "first", [PAYER], feed=feed, force=False).fetch == (PAYER,)
        wiring.batch(wiring.dataset_of(feed), budget_s=10).run("first", 1)
        assert [line.status for line in wiring.store.ledger.outcomes("first")] == [OutcomeStatus.STORED]
        plan = plan_run(wiring, "second", [PAYER], feed=feed, force=False)
        assert ([left.reason for left in plan.skip], plan.fetch) == ([NOT_DUE], ())
        market.query("UPDATE fetch_outcomes SET finished_at = now() - %s", DATASETS[feed].due.period)
        assert plan_run(wiring, "third", [PAYER], feed=feed, force=False).fetch == (PAYER,)


ROW = {"symbol": SYMBOL, "name": "text", "told_at": "timestamptz"}
COMPANIES = Table("companies", ROW, key=("symbol",), version="told_at")


@dataclass(frozen=True)
class Company:
    symbol: str
    name: str
    told_at: datetime


def test_a_symbol_may_have_one_row(market: Market):
    """A table may have one row a symbol and no session: what is newer replaces it, what is older or equal does not."""
    with closing(market.connect(market.owner)) as owner, owner.cursor() as cursor:
        columns = ", ".join(f"{name} {kind}" for name, kind in ROW.items())
        cursor.execute(f"CREATE TABLE companies ({columns}, updated_at timestamptz, PRIMARY KEY (symbol))")
    with Store(market.dsn()) as store:

        def saved(name: str, hours: int) -> UpsertCounts:
            return store.save({COMPANIES: [Company("IBM", name, RECEIVED_AT + timedelta(hours=hours))]})

        assert saved("C-T-R", 0) == UpsertCounts(inserted=1)
        assert saved("C-T-R", 1) == UpsertCounts(unchanged=1)
        assert saved("IBM", 2) == UpsertCounts(updated=1)
        assert saved("C-T-R", 1) == UpsertCounts(unchanged=1)
    assert market.query("SELECT symbol, name FROM companies") == [("IBM", "IBM")]


def test_the_command_line_knows_each_dataset(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """--dataset takes a name of the registry, and says how much came."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert fetch_and_store.main(["--symbol", "SPLIT7", "--dataset", "splits"]) == ExitCode.DONE
    assert "in the list" in capsys.readouterr().out


def test_what_the_list_lost_is_withdrawn(market_dsn, market: Market):
    """A split that is listed no more is marked, and is back when it is listed again; an empty list marks none."""
    splits = DATASETS["splits"]
    with Store(market_dsn) as store:

        def listed(*days: str) -> list[bool]:
            document = {"symbol": "IBM", "data": [{"effective_date": day, "split_factor": "2.0"} for day in days]}
            store.save(splits.parse(Symbol("IBM"), reply_of(document)).rows)
            return [
                gone for (gone,) in market.query("SELECT withdrawn_at IS NOT NULL FROM corporate_actions ORDER BY 1")
            ]

        assert listed("1999-05-27", "1997-05-28") == [False, False]
        assert listed("1999-05-27") == [False, True]
        assert listed() == [False, True]
        assert listed("1999-05-27", "1997-05-28") == [False, False]


def test_a_withdrawn_row_is_an_update(market_dsn):
    """A list that only lost a row has updated the symbol, and counts the rows that it has as unchanged."""
    splits = DATASETS["splits"]
    with Store(market_dsn) as store:
        for days, reason in ((("1999-05-27", "1997-05-28"), "inserted"), (("1999-05-27",), "updated")):
            document = {"symbol": "IBM", "data": [{"effective_date": day, "split_factor": "2.0"} for day in days]}
            line = outcome(run_id=reason, dataset=splits.name)
            counts = store.save(splits.parse(Symbol("IBM"), reply_of(document)).rows, [line])
            assert [line.reason for line in store.ledger.outcomes(reason)] == [reason]
    assert counts == UpsertCounts(unchanged=1)


def test_sound_rows_survive_refused_ones(environment: dict[str, str], monkeypatch, market: Market):
    """One bad row of a list costs that row alone, and the reply is kept with the reason."""
    splits = DATASETS["splits"]
    document = {
        "symbol": "IBM",
        "data": [
            {"effective_date": "1999-05-27", "split_factor": "2.0"},
            {"effective_date": "never", "split_factor": "2.0"},
        ],
    }
    with Wiring(PipelineSettings.from_environment(environment), splits) as wiring:
        monkeypatch.setattr(wiring.client, "fetch", lambda request, gate: reply_of(document))
        line = run(wiring, "run", Symbol("IBM"))
        assert line.detail == "1 in the list; 1 refused and in quarantine"
        assert [kept.reason for kept in wiring.store.quarantine.waiting()] == ["not_a_date"]
    assert len(rows(market, splits)) == 1


def test_bars_hold_the_providers_quote(environment, sandbox: RunningSandbox):
    """Of the same session both ways bring the same quote, but for the time of the reply."""
    with wired(environment) as wiring:
        both = [
            dataset.parse(Symbol("IBM"), wiring.client.fetch(dataset.request(Symbol("IBM")))).rows[quotes.TABLE]
            for dataset in (QUOTES, QUOTES_FROM_BARS)
        ]
    first, second = (asdict(quote) for [quote] in both)
    assert first | {"data_timestamp": None} == second | {"data_timestamp": None}
    assert sandbox.entries()[-1].function == "TIME_SERIES_DAILY"


def test_the_setting_chooses_the_source(environment):
    """QUOTES_FROM decides what the first feed asks for; the ledger knows the bars by their own name."""
    with wired(environment) as wiring:
        assert wiring.dataset_of(FIRST) is QUOTES
    with wired(environment, QUOTES_FROM="bars") as wiring:
        assert wiring.dataset_of(FIRST) is QUOTES_FROM_BARS
    assert QUOTES_FROM_BARS.name == DAILY_BARS.name
