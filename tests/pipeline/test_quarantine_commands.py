"""``python -m workers quarantine`` and ``replies``: what a person sees, and the exit codes."""

import io
import json

import pytest

from common.command_line import ExitCode
from common.store import Store
from tests.pipeline.test_replay import LENIENT, WAITING, keep, refuse, series
from tests.support.market import Market
from tests.support.replies import quote_document
from tests.support.rows import NOON
from workers.__main__ import main


@pytest.fixture(autouse=True)
def settings(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def command(*words: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it printed."""
    output = io.StringIO()
    code = main([*words], output)
    return code, output.getvalue()


def as_json(*words: str) -> dict[str, object]:
    return json.loads(command(*words, "--json")[1])


def test_a_list_has_a_line_each(store: Store):
    """Each refused reply is a line, the newest first; filters and a limit choose among them."""
    first, second = (
        refuse(store, quote_document(), "a\x1b[2J"),
        refuse(store, quote_document(), "too_large", at=NOON.replace(hour=13)),
    )
    code, text = command("quarantine", "list")
    lines = text.splitlines()
    assert (code, len(lines), "\x1b" in text) == (ExitCode.DONE, 2, False)
    assert lines[0].split()[:7] == [str(second), "2026-10-05", "13:00:00", "quotes", "IBM", "too_large", "waits"]
    assert [" cut " in line for line in lines] == [True, False]
    assert [row["id"] for row in as_json("quarantine", "list", "--limit", "1")["quarantine"]] == [second]
    assert [row["id"] for row in as_json("quarantine", "list", "--reason", "too_large")["quarantine"]] == [second]
    assert len(as_json("quarantine", "list", "--since", "2026-10-05T12:30", "--symbol", "ibm")["quarantine"]) == 1
    assert command("quarantine", "list", "--dataset", "splits")[1] == "nothing is in quarantine that fits\n"
    assert first < second


def test_one_is_shown_safely(store: Store):
    """Control characters are escaped, a long text ends at the screen's end, and a hint says what to do."""
    number = refuse(store, "\x1b[2J\x9b" + "x" * 10_000 + "\nlast")
    code, text = command("quarantine", "show", str(number))
    assert (code, "\x1b" in text, "\\x1b[2J\\x9b" in text, "last" in text) == (ExitCode.DONE, False, True, False)
    assert f"python -m workers quarantine replay {number}" in text
    assert "--full shows them" in text
    assert command("quarantine", "show", str(number), "--full")[1].endswith("xxx\nlast\n")
    assert as_json("quarantine", "show", str(number))["is_whole"] is True
    assert command("quarantine", "show", "999")[0] == ExitCode.FAILED


def test_a_replay_sums_up(store: Store, market: Market, monkeypatch: pytest.MonkeyPatch):
    """The summary counts replies and rows, names what is not stored, and the exit code tells it."""
    refuse(store, quote_document(change="5.0000"), "change_mismatch")
    code, text = command("quarantine", "replay", "--all")
    assert (code, text.splitlines()[-1]) == (
        ExitCode.QUARANTINED,
        "replies: 1 refused; rows: none",
    )
    assert "refused  change_mismatch: " in text
    monkeypatch.setattr(*LENIENT)
    assert as_json("quarantine", "replay", "--reason", "change_mismatch", "--dry-run")["rows"]["inserted"] == 1
    assert market.query(WAITING) == [(1,)]
    assert command("quarantine", "replay", "--dataset", "quotes")[0] == ExitCode.DONE
    assert as_json("quarantine", "replay", "1")["replies"]["left"] == 1
    assert command("quarantine", "replay", "1", "999")[0] == ExitCode.FAILED


@pytest.mark.parametrize(
    "words",
    [
        ["quarantine", "replay"],
        ["quarantine", "replay", "1", "--all"],
        ["quarantine", "drop"],
        ["quarantine", "drop", "1", "--reason", "a"],
        ["quarantine", "list", "--limit", "0"],
        ["quarantine", "list", "--since", "lately"],
        ["quarantine", "show", "one"],
        ["replies", "reparse"],
        ["replies", "reparse", "--dataset", "listings"],
        ["nonsense"],
    ],
)
def test_a_wrong_usage_is_refused(words: list[str]):
    """What does not say which replies are meant, or says it twice, changes nothing."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == ExitCode.USAGE


def test_a_drop_asks_first(store: Store, market: Market, monkeypatch: pytest.MonkeyPatch):
    """Without a terminal it needs --yes; at one it asks; what was replayed is kept."""
    kept, gone = refuse(store, quote_document()), refuse(store, "{", at=NOON.replace(hour=13))
    command("quarantine", "replay", str(kept))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert command("quarantine", "drop", str(gone))[0] == ExitCode.USAGE
    terminal = io.StringIO("no\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert command("quarantine", "drop", str(gone)) == (ExitCode.DONE, "nothing is dropped\n")
    assert command("quarantine", "drop", str(gone), str(kept), "--yes") == (ExitCode.DONE, "1 reply dropped\n")
    assert market.query("SELECT id FROM quarantine") == [(kept,)]


def test_a_reparse_sums_up(store: Store):
    """All that is kept of a dataset is read again, and counted."""
    keep(store, series(d05="1"), NOON)
    assert as_json("replies", "reparse", "--dataset", "daily_bars", "--dry-run")["rows"]["inserted"] == 1
    assert command("replies", "reparse", "--dataset", "daily_bars", "--symbol", "IBM")[0] == ExitCode.DONE
    assert as_json("replies", "reparse", "--dataset", "daily_bars")["rows"]["unchanged"] == 1


def test_an_absent_database_is_said(monkeypatch: pytest.MonkeyPatch):
    """Where the database is away the object of --json says so, too."""
    monkeypatch.setenv("MARKET_DATABASE_URL", "postgresql://market_app:pw@127.0.0.1:9/market")
    assert as_json("quarantine", "list")["reason"] == "store_unavailable"
    assert command("quarantine", "list")[0] == ExitCode.FAILED
