"""``python -m workers gaps``: what a person says of a gap, on a real PostgreSQL."""

import io
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from common.command_line import ExitCode
from common.datasets import daily_bars
from common.trading_calendar import known_sessions
from common.values import Symbol
from tests.support.market import Market
from tests.support.rows import bar, outcome
from workers.__main__ import main
from workers.pipeline.gaps import find_gaps
from workers.wiring import Wiring

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

SESSIONS = known_sessions("XNYS", date(2026, 6, 1), date(2026, 10, 5))
DAY = timedelta(days=1)
WORD = "halted by the SEC; ada"


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A key that may ask for whole series."""
    plain = {name: value for name, value in environment.items() if name != "ALPHA_VANTAGE_QUOTA"}
    return plain | {"ALPHA_VANTAGE_PLAN": "premium75"}


@pytest.fixture(autouse=True)
def settings(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def gapped(wiring: Wiring) -> Wiring:
    """IBM lacks two sessions."""
    answer(wiring, "first", without(5, 6))
    return wiring


def answer(wiring: Wiring, run_id: str, sessions: Sequence[date]) -> None:
    """Store an answer with bars of these sessions, and look."""
    bars = [bar(session=session) for session in sessions]
    wiring.store.save({daily_bars.TABLE: bars}, [outcome(run_id=run_id, dataset="full_history")])
    find_gaps(wiring, [Symbol("IBM")], datetime.now(UTC))


def without(*places: int) -> list[date]:
    return [session for place, session in enumerate(SESSIONS) if place not in places]


def command(*words: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it printed."""
    output = io.StringIO()
    code = main(["gaps", *words], output)
    return code, output.getvalue()


def mark(*words: str) -> int:
    return command("mark", "IBM", str(SESSIONS[5]), *words)[0]


def stored(market: Market) -> list[tuple]:
    return market.query("SELECT first_session, state, word, ask_again_at IS NULL FROM bar_gaps ORDER BY 1")


def test_a_halted_gap_is_left_alone(gapped: Wiring, market: Market):
    """Once a person has marked it, it is never due, and the next answers leave it so until its bars come."""
    assert list(gapped.store.gaps.due([Symbol("IBM")], datetime.now(UTC) + DAY)) == ["IBM"]
    assert mark("halted", WORD) == ExitCode.DONE
    assert gapped.store.gaps.due([Symbol("IBM")], datetime(2036, 1, 1, tzinfo=UTC)) == {}
    answer(gapped, "second", without(5, 6))
    assert stored(market) == [(SESSIONS[5], "halted", WORD, True)]
    answer(gapped, "third", SESSIONS)
    assert stored(market) == [(SESSIONS[5], "repaired", WORD, True)]


def test_a_mark_is_taken_back(gapped: Wiring, market: Market):
    """Opened again, the gap is due at once and nothing is left of the word."""
    mark("halted", WORD)
    assert mark("open") == ExitCode.DONE
    assert stored(market) == [(SESSIONS[5], "open", None, False)]
    assert list(gapped.store.gaps.due([Symbol("IBM")], datetime.now(UTC))) == ["IBM"]


def test_a_mark_during_a_look(gapped: Wiring, market: Market):
    """A look that had read the gap before it was marked does not open it again."""
    before = gapped.store.gaps.gaps([Symbol("IBM")])[Symbol("IBM")]
    mark("halted", WORD)
    gapped.store.gaps.write(before, [], {})
    assert stored(market) == [(SESSIONS[5], "halted", WORD, True)]


def test_a_longer_gap_is_another(gapped: Wiring, market: Market):
    """Where the session before it is missed as well, one open gap takes the place of the marked one."""
    mark("halted", WORD)
    market.query("DELETE FROM daily_bars WHERE session = %s", SESSIONS[4])
    answer(gapped, "second", SESSIONS[-1:])
    assert stored(market) == [(SESSIONS[4], "open", None, False)]


def test_gaps_are_listed(gapped: Wiring):
    """By state and symbol, at most so many, with the word and when it is asked for again."""
    assert command("list")[1].startswith(
        f"IBM           {SESSIONS[5]} to {SESSIONS[6]}  open            2 sessions  ask"
    )
    assert command("list", "--symbols", "MSFT")[1] == "there is no gap that fits\n"
    mark("halted", WORD)
    assert command("list")[1] == "there is no gap that fits\n"
    assert command("list", "--state", "halted")[1].endswith(f"2 sessions  [{WORD}]\n")
    document = json.loads(command("list", "--state", "any", "--limit", "1", "--json")[1])
    assert (document["total"], document["gaps"][0]["word"]) == (1, WORD)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["halted"], ExitCode.USAGE, "say why it was halted"),
        (["halted", " "], ExitCode.USAGE, "say why it was halted"),
        (["open", WORD], ExitCode.USAGE, "to open it again takes no word"),
        (["open"], ExitCode.FAILED, "that is halted: python -m workers gaps list --state any --symbols IBM"),
    ],
)
def test_what_cannot_be_marked(
    gapped: Wiring, capsys: pytest.CaptureFixture[str], words: list[str], code: ExitCode, sentence: str
):
    """Without a word, or where there is no such gap, nothing changes and a sentence says what would do."""
    assert mark(*words) == code
    assert sentence in capsys.readouterr().err
