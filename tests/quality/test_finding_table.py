"""What was found opens, is acknowledged, is resolved and comes back, on a real PostgreSQL."""

from collections.abc import Sequence
from datetime import date, timedelta

import psycopg2
import pytest

from common.quality import FindingFilter, Found, QualityFinding
from common.quality.finding_table import Looked
from common.store import Store
from tests.support.market import Market

MONDAY = date(2026, 10, 5)
ANY = FindingFilter(state=None)
STEP = "unexplained_step"


def found(symbol: str = "IBM", session: date = MONDAY, **changes) -> Found:
    values = {"check_name": STEP, "severity": "warning", "message": "from 10 to 20"}
    return Found(symbol=symbol, session=session, **{**values, **changes})


def look(store: Store, *findings: Found, symbols: Sequence[str] = ("IBM",), names: Sequence[str] = (STEP,)) -> int:
    """Record a look at a week of the symbols; return how many findings it opened."""
    week = [Looked(symbol, MONDAY, MONDAY + timedelta(days=4), names) for symbol in symbols]
    return store.findings._connections.run(lambda cursor: store.findings.record(cursor, week, findings))


def only(store: Store) -> QualityFinding:
    (finding,) = store.findings.list(ANY, 10)
    return finding


def test_a_finding_opens_and_closes(store: Store):
    """It is open from when it was first found until a look that finds it no more, and opens again if it comes back."""
    assert (look(store, found()), look(store, found())) == (1, 0)
    opened = only(store)
    assert (opened.state, opened.opened_at) == ("open", opened.first_seen)
    assert opened.last_seen > opened.first_seen
    look(store)
    assert only(store).state == "resolved"
    assert look(store, found()) == 1
    back = only(store)
    assert (back.state, back.id, back.first_seen) == ("open", opened.id, opened.first_seen)
    assert back.opened_at > opened.opened_at


def test_only_a_look_resolves(store: Store):
    """What another check found, of another symbol, or of a session where nobody looked, stays open."""
    look(store, found(), found("MSFT"), found(check_name="stale"), found(session=MONDAY - timedelta(days=1)))
    look(store, symbols=["IBM", "AAPL"])
    states = {(each.symbol, each.check_name, each.session.day): each.state for each in store.findings.list(ANY, 10)}
    assert states == {
        ("IBM", STEP, 5): "resolved",
        ("MSFT", STEP, 5): "open",
        ("IBM", "stale", 5): "open",
        ("IBM", STEP, 4): "open",
    }


@pytest.mark.parametrize(("message", "state"), [("from 10 to 20", "acknowledged"), ("from 10 to 30", "open")])
def test_an_acknowledgement_is_of_values(store: Store, message: str, state: str):
    """What a person knows stays acknowledged while it is found with the same values, and waits for a word otherwise."""
    look(store, found())
    number = only(store).id
    assert store.findings.acknowledge([number, 999], " a merger ", "ada") == {number}
    known = only(store)
    assert (known.state, known.acknowledged_word, known.acknowledged_by) == ("acknowledged", "a merger", "ada")
    look(store, found(message=message))
    assert only(store).state == state


def test_a_return_needs_another_word(store: Store):
    """What was resolved meanwhile is no longer acknowledged, and what is resolved cannot be."""
    look(store, found())
    number = only(store).id
    store.findings.acknowledge([number], "a merger", "ada")
    look(store)
    assert store.findings.acknowledge([number], "again", "ada") == set()
    look(store, found())
    assert (only(store).state, only(store).acknowledged_word) == ("open", None)


@pytest.mark.parametrize(("word", "by"), [(" ", "ada"), ("a merger", "")])
def test_an_acknowledgement_says_why(store: Store, word: str, by: str):
    """Without a word or a name nothing is acknowledged."""
    with pytest.raises(ValueError, match="needs a word and a name"):
        store.findings.acknowledge([1], word, by)


def test_filters_choose_among_findings(store: Store):
    """State, severity, check and symbols choose; errors come first, and a limit ends the list."""
    look(store, found("A"), found("B", severity="error", check_name="high_below_low"), found("C"))
    store.findings.acknowledge([each.id for each in store.findings.list(FindingFilter(symbols=["C"]), 9)], "ok", "ada")

    def symbols(which: FindingFilter, limit: int = 9) -> str:
        return "".join(each.symbol for each in store.findings.list(which, limit))

    assert (symbols(ANY), symbols(ANY, 1), symbols(FindingFilter())) == ("BAC", "B", "BA")
    assert symbols(FindingFilter(severity="warning")) == "A"
    assert symbols(FindingFilter(state="acknowledged")) == "C"
    assert symbols(FindingFilter(check_name="high_below_low")) == "B"
    assert symbols(FindingFilter(symbols=["A", "C"], state=None)) == "AC"
    assert store.findings.counts(FindingFilter()) == {"error": 1, "warning": 1}


def test_a_reader_reads_findings(store: Store, market: Market):
    """The reader's role sees what was found, and acknowledges nothing."""
    look(store, found())
    session = market.connect(market.reader)
    with session.cursor() as cursor:
        cursor.execute("SELECT symbol, check_name, session, message FROM quality_findings WHERE resolved_at IS NULL")
        assert cursor.fetchall() == [("IBM", STEP, MONDAY, "from 10 to 20")]
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("DELETE FROM quality_findings")
    session.close()
