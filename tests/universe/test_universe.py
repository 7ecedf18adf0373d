"""Symbols chosen from the provider's list of companies: how the list comes, and what a plan makes of it."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from common.command_line import ExitCode
from common.errors import ApiKeyRejected, ConfigurationError, ListShrank, PayloadRejected, ProviderUnavailable
from common.universe.listings import Listing
from common.values import Symbol
from sandbox.running import RunningSandbox
from sandbox.universe import REUSED
from tests.support.market import Market
from tests.support.wiring import wired
from workers.fetch_and_store import main
from workers.health import check_health
from workers.pipeline.environment import requested_symbols, validate_environment
from workers.pipeline.feeds import DAGS
from workers.pipeline.run import plan_run
from workers.pipeline.universe import MAX_AGE, renew_listings
from workers.wiring import Wiring

CHOSEN = "listing:NASDAQ:type=Stock"
LATER = datetime.now(UTC) + MAX_AGE + timedelta(hours=1)


@pytest.fixture
def choosing(environment: dict[str, str]) -> Iterator[Wiring]:
    with wired(environment, STOCK_SYMBOLS=CHOSEN) as opened:
        yield opened


def company(symbol: str, exchange: str = "NASDAQ") -> Listing:
    return Listing(Symbol(symbol), "", exchange, "Stock", None, None, "Active")


def store_list(wiring: Wiring, *listings: Listing) -> None:
    wiring.store.listings.replace(listings, "Active", lambda before, after: None)


def functions(sandbox: RunningSandbox) -> list[str]:
    return [entry.function for entry in sandbox.entries()]


def test_a_list_costs_one_call(wiring: Wiring, sandbox: RunningSandbox, market: Market):
    """It is asked for once, noted as a call without a symbol, stored, and what cannot be read is said."""
    renewed = renew_listings(wiring)
    assert functions(sandbox) == ["LISTING_STATUS"]
    assert market.query("SELECT dataset, symbol, settled_at IS NOT NULL FROM api_calls") == [("listings", None, True)]
    assert market.query("SELECT dataset, function, symbol FROM raw_replies") == [("listings", "LISTING_STATUS", None)]
    assert market.query("SELECT count(*) FROM listings") == [(renewed.changes.listed,)]
    assert {finding.code for finding in renewed.findings} == {"wrong_width", "not_a_date"}
    assert "2 lines are left out (line " in renewed.summary


def test_what_is_no_list_is_kept(wiring: Wiring, sandbox: RunningSandbox, market: Market):
    """A reply that is no list changes nothing, and stands among the replies for a person to see."""
    sandbox.change("faults", faults="empty-body:1")
    store_list(wiring, company("IBM"))
    with pytest.raises(PayloadRejected):
        renew_listings(wiring)
    assert market.query("SELECT size FROM raw_replies") == [(0,)]
    assert wiring.store.listings.listed() == [company("IBM")]


def test_the_same_list_changes_nothing(wiring: Wiring, market: Market):
    """The second time every line is there already, and only the time at which it was last seen moves."""
    renew_listings(wiring)
    stored = market.query("SELECT id, symbol, name, first_seen, unlisted_at FROM listings ORDER BY id")
    changes = renew_listings(wiring).changes
    assert (changes.new, changes.gone, changes.changed) == (0, 0, 0)
    assert market.query("SELECT id, symbol, name, first_seen, unlisted_at FROM listings ORDER BY id") == stored


def test_the_delisted_name_the_owner_before(wiring: Wiring, market: Market):
    """A ticker that another company had is in both lists, each with its own dates."""
    renew_listings(wiring)
    renew_listings(wiring, "Delisted")
    rows = market.query(
        "SELECT status, name, ipo_date < '2000-01-01' FROM listings WHERE symbol = %s ORDER BY 1", REUSED
    )
    assert [(status, name.split()[0], old) for status, name, old in rows] == [
        ("Active", "Ultra", False),
        ("Delisted", "Ultimate", True),
    ]


def test_a_shrunk_universe_is_refused(choosing: Wiring, market: Market):
    """Where the chosen exchange is a tenth smaller nothing is changed, until a person accepts the list."""
    renew_listings(choosing)
    listed = choosing.store.listings.listed()
    more = [company(f"MORE{number}") for number in range(len(listed) // 12)]
    store_list(choosing, *listed, *more)
    before = market.query("SELECT *, xmin FROM listings ORDER BY id")
    with pytest.raises(ListShrank, match=r"symbols for listing:NASDAQ:type=STOCK, "):
        renew_listings(choosing)
    assert market.query("SELECT *, xmin FROM listings ORDER BY id") == before
    assert renew_listings(choosing, accept=True).changes.gone == len(more)


def test_the_first_plan_fetches_the_list(choosing: Wiring, sandbox: RunningSandbox):
    """The check says that a list is missing and asks nothing; the plan fetches it, and takes the chosen symbols."""
    validate_environment(choosing, None)
    assert functions(sandbox) == []
    plan = plan_run(choosing, "run", None, force=False)
    assert functions(sandbox) == ["LISTING_STATUS"]
    assert {"AAPL", "NAN"} & set(plan.fetch)
    assert len(plan) == len(choosing.settings.stock_symbols.symbols(choosing.store.listings.listed()))
    assert "ZVZZT" not in {line.symbol for line in choosing.store.ledger.outcomes("run")}
    plan_run(choosing, "another", None, force=False)
    validate_environment(choosing, None)
    assert functions(sandbox) == ["LISTING_STATUS"]


def test_a_delisted_symbol_is_not_asked(choosing: Wiring):
    """What the last list has no more is in no plan; what is new on it is."""
    store_list(choosing, company("GONE"), company("IBM"), company("XOM", "NYSE"))
    store_list(choosing, company("IBM"), company("NEW"), company("XOM", "NYSE"))
    assert plan_run(choosing, "run", None, force=False).fetch == ("IBM", "NEW")


def test_typed_symbols_need_no_list(choosing: Wiring, sandbox: RunningSandbox):
    """A run with symbols of its own asks for no list."""
    for feed in DAGS:
        assert plan_run(choosing, feed, ["IBM"], feed=feed, force=False).fetch == ("IBM",)
    assert functions(sandbox) == []


def test_an_old_list_is_renewed(choosing: Wiring, sandbox: RunningSandbox):
    """A plan that chooses from a list of more than a week ago fetches a new one first."""
    store_list(choosing, company("IBM"))
    assert requested_symbols(choosing, None, renew_at=LATER - timedelta(hours=2)) == ("IBM",)
    assert len(requested_symbols(choosing, None, renew_at=LATER)) > 1000
    assert functions(sandbox) == ["LISTING_STATUS"]


def test_without_a_list_a_plan_ends(choosing: Wiring, sandbox: RunningSandbox):
    """Where there is no list and none can be had the plan ends with the provider's error."""
    sandbox.change("faults", faults="http503:1")
    with pytest.raises(ProviderUnavailable):
        requested_symbols(choosing, None, renew_at=LATER)


def test_old_list_is_better_than_none(choosing: Wiring, sandbox: RunningSandbox):
    """Where the new list cannot be had a plan goes on with the old one, and the next one spends no call on another."""
    sandbox.change("faults", faults="empty-body:1")
    store_list(choosing, company("IBM"))
    for _ in range(2):
        assert requested_symbols(choosing, None, renew_at=LATER) == ("IBM",)
        assert functions(sandbox) == ["LISTING_STATUS"]


def test_a_shrunk_list_stops_no_plan(choosing: Wiring):
    """A plan that finds its new list refused goes on with the old one; the weekly run is the one that is red."""
    store_list(choosing, *(company(f"S{number}") for number in range(10_000)))
    assert len(requested_symbols(choosing, None, renew_at=LATER)) == 10_000


def test_a_rejected_key_stops_the_plan(choosing: Wiring, sandbox: RunningSandbox):
    """What no call can escape ends the plan, old list or not."""
    sandbox.change("faults", faults="key:1")
    store_list(choosing, company("IBM"))
    with pytest.raises(ApiKeyRejected):
        requested_symbols(choosing, None, renew_at=LATER)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("listing:NSDQ", "knows no exchange 'NSDQ'; there are NASDAQ, NYSE."),
        ("listing:NYSE:type=ETF", "knows no type 'ETF'; there are STOCK."),
    ],
)
def test_a_wrong_name_is_named(environment: dict[str, str], setting: str, sentence: str):
    """Once a list is stored the check before a run knows which exchanges and types there are."""
    with wired(environment, STOCK_SYMBOLS=setting) as wiring:
        store_list(wiring, company("IBM", "NYSE"), company("AAPL"))
        with pytest.raises(ConfigurationError) as raised:
            validate_environment(wiring, None)
    assert str(raised.value).endswith(sentence)


def test_without_a_list_nothing_is_chosen(choosing: Wiring):
    """Where no list is stored one sentence says so, and what to do."""
    with pytest.raises(ConfigurationError, match=r"no list of companies is stored yet: run python -m .* --listings\."):
        requested_symbols(choosing, None)


def run_command(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    output = io.StringIO()
    return main(arguments, output), output.getvalue()


def test_the_command_renews_the_list(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """--listings says what changed, as a sentence with the lines that are left out, or as one object."""
    code, text = run_command(environment, monkeypatch, "--listings")
    assert (code, len(text.splitlines())) == (ExitCode.DONE, 4)
    assert text.endswith("invented by the sandbox: ALPHA_VANTAGE_API_KEY is not set\n")
    code, text = run_command(environment, monkeypatch, "--listings", "--json")
    assert (code, json.loads(text)["new"], json.loads(text)["findings"]) == (0, 0, {"wrong_width": 1, "not_a_date": 1})


def test_the_command_refuses_a_shrunk_list(
    environment: dict[str, str], wiring: Wiring, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A person has to act first: the exit code says so, and the sentence how."""
    store_list(wiring, *(company(f"S{number}") for number in range(10_000)))
    assert run_command(environment, monkeypatch, "--listings")[0] == ExitCode.ACT_FIRST
    assert "--listings --accept" in capsys.readouterr().err
    assert run_command(environment, monkeypatch, "--listings", "--accept")[0] == ExitCode.DONE


def test_a_used_up_quota_is_said(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Without a call left the command says when it can go, and leaves no place in the queue behind."""
    environment |= {"ALPHA_VANTAGE_QUOTA": "1/s,1/day"}
    assert run_command(environment, monkeypatch, "--listings")[0] == ExitCode.DONE
    assert run_command(environment, monkeypatch, "--listings")[0] == ExitCode.NOT_NOW
    assert "Try again at" in capsys.readouterr().err
    with wired(environment) as wiring:
        assert wiring.limiter.usage().deferred == 0


def test_acceptance_goes_with_a_list(capsys: pytest.CaptureFixture[str]):
    """--accept alone would accept nothing, so it is wrong usage."""
    with pytest.raises(SystemExit):
        main(["--quota", "--accept"])
    assert "--accept goes with --listings" in capsys.readouterr().err


def test_health_shows_the_choice(environment: dict[str, str], wiring: Wiring, monkeypatch: pytest.MonkeyPatch):
    """It says what is chosen, how many symbols that are by which list, and that none is there yet."""
    for name, value in (environment | {"STOCK_SYMBOLS": CHOSEN}).items():
        monkeypatch.setenv(name, value)

    def details() -> dict[str, str]:
        return {check.name: check.detail for check in check_health()}

    assert details()["settings"].startswith("the symbols of listing:NASDAQ:type=STOCK, ")
    assert details()["listings"] == "no list of companies yet: the next run fetches it"
    store_list(wiring, company("AAPL"), company("IBM", "NYSE"))
    assert details()["listings"].startswith("1 symbols, by the list of ")
