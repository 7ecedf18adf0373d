"""How the checks are found, what they look at, and what they cost."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest

from common.quality import FindingFilter, all_checks, check
from common.store import Store
from common.values import Symbol
from tests.quality.planting import DAY, NOW, SESSIONS, look, sound
from tests.support.market import Market
from tests.support.rows import save_bars

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

PAGE = Path(__file__).resolve().parents[2] / "docs" / "quality.md"
CHECKS = Path(check.__file__).parent / "checks"
WAITING = "SELECT symbol FROM quality_pending ORDER BY symbol"


def test_each_head_says_everything():
    """Each file's head has its meaning, severity, threshold and known false positives."""
    heads = {each.name: each for each in all_checks()}
    assert heads.keys() == {path.stem for path in CHECKS.glob("*.sql")}
    assert all(len(text) > 5 for each in heads.values() for text in (each.threshold, each.false_positives))
    assert all(each.meaning.endswith(".") for each in heads.values())


def test_the_page_has_every_check():
    """The table of docs/quality.md is that of the heads; WRITE_CHECKS=1 writes it."""
    rows = [
        f"| `{each.name}` | {each.severity} | {each.meaning} | {each.threshold} | {each.false_positives} |"
        for each in all_checks()
    ]
    text = PAGE.read_text("utf-8")
    head = "|---|---|---|---|---|\n"
    before, _, rest = text.partition(head)
    _, _, after = rest.partition("\n\n")
    page = f"{before}{head}{chr(10).join(rows)}\n\n{after}"
    if os.environ.get("WRITE_CHECKS"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text("utf-8") == page


@pytest.mark.parametrize("left_out", ["severity", "looks at", "threshold", "false positives", "Something"])
def test_a_head_that_lacks_something(left_out: str):
    """A head without one of its parts is refused with the name of what is missing."""
    head = dedent("""\
        -- Something is wrong.
        -- severity: error
        -- looks at: sessions
        -- threshold: 5 %
        -- false positives: none
        --   at all.""")
    assert check.read_head("wrong", f"{head}\n\nSELECT").false_positives == "none at all."
    lines = [line for line in head.split("\n") if left_out not in line]
    with pytest.raises(ValueError, match=left_out if left_out != "Something" else "meaning"):
        check.read_head("wrong", "\n".join(lines) + "\n\nSELECT")


def test_only_what_changed_is_read(store: Store, market: Market):
    """A fault that lies further than five bars from what changed is not seen; one beside it is."""
    save_bars(store, sound())
    look(store)
    market.query("ALTER TABLE daily_bars DISABLE TRIGGER note_updated")
    faults = "UPDATE daily_bars SET open_price = high_price + 5 WHERE session = ANY (%s)"
    market.query(faults, [SESSIONS[10], SESSIONS[25]])
    market.query("ALTER TABLE daily_bars ENABLE TRIGGER note_updated")
    assert look(store) == []
    market.query("UPDATE daily_bars SET volume = volume + 1 WHERE session = %s", DAY)
    look(store)
    errors = FindingFilter(check_name="outside_range")
    assert [each.session for each in store.findings.list(errors, 9)] == [SESSIONS[25]]
    store.quality.pend([Symbol("IBM"), Symbol("UNKNOWN")])
    look(store)
    assert {each.session for each in store.findings.list(errors, 9)} == {SESSIONS[10], SESSIONS[25]}


def test_a_change_amid_a_look(store: Store, market: Market, monkeypatch: pytest.MonkeyPatch):
    """What changes while the checks look at it waits for the next look."""
    save_bars(store, sound())
    fault = "UPDATE daily_bars SET open_price = high_price + 5 WHERE session = %s"
    record = store.findings.record

    def slowly(cursor, looked, found) -> int:
        if "outside_range" in looked[0].check_names:
            market.query(fault, DAY)
        return record(cursor, looked, found)

    with monkeypatch.context() as patched:
        patched.setattr(store.findings, "record", slowly)
        assert look(store) == []
    assert market.query(WAITING) == [("IBM",)]
    assert {each.check_name for each in look(store)} == {"outside_range", "restated"}
    assert market.query(WAITING) == []


def test_a_look_has_its_budget(store: Store, market: Market, monkeypatch: pytest.MonkeyPatch):
    """Out of time, the rest waits for the next look, those that wait longest coming first."""
    monkeypatch.setattr("common.quality.quality._SYMBOLS", 2)
    for symbol in ("C", "A", "B"):
        save_bars(store, sound(symbol, SESSIONS[:9]))
    counts = store.quality.check_changed(NOW, budget_s=0)
    assert (counts.symbols, counts.waiting, market.query(WAITING)) == (2, 1, [("B",)])
    told = []
    counts = store.quality.check_changed(NOW, told=told.append)
    assert (counts.symbols, counts.waiting, len(told)) == (1, 0, 1)


def test_what_is_deleted_is_resolved(store: Store, market: Market):
    """A look on demand at a symbol goes back to what is open of it, though the rows are gone by now."""
    save_bars(store, sound())
    market.query("UPDATE daily_bars SET open_price = high_price + 5 WHERE session = %s", SESSIONS[2])
    assert {each.check_name for each in look(store)} == {"outside_range", "restated"}
    market.query("DELETE FROM daily_bars WHERE session <= %s", SESSIONS[2])
    assert store.quality.pend([Symbol("IBM")]) == 1
    assert look(store) == []


def test_two_looks_share_the_work(store: Store, market: Market, monkeypatch: pytest.MonkeyPatch):
    """Looks at once take turns: each symbol is looked at by one, and none ends before all is found."""
    monkeypatch.setattr("common.quality.quality._SYMBOLS", 2)
    save_bars(store, [each for number in range(20) for each in sound(f"S{number}", SESSIONS[:9])])
    market.query("UPDATE daily_bars SET open_price = high_price + 5 WHERE session = %s", SESSIONS[2])
    errors = FindingFilter(severity="error")

    def check(_: int) -> tuple[int, int]:
        return store.quality.check_changed(NOW).symbols, store.findings.counts(errors)["error"]

    with ThreadPoolExecutor(3) as pool:
        looks = list(pool.map(check, range(3)))
    assert sum(symbols for symbols, _ in looks) == 20
    assert {errors for _, errors in looks} == {20}


def test_everything_is_looked_at(store: Store, market: Market):
    """On demand all that is stored waits for a look, whether it has bars or quotes."""
    save_bars(store, [*sound("A", SESSIONS[:9]), *sound("B", SESSIONS[:9])])
    market.query("TRUNCATE quality_pending")
    assert store.quality.pend() == 2
    spans = market.query("SELECT symbol, first_session, last_session FROM quality_pending")
    assert set(spans) == {("A", SESSIONS[0], SESSIONS[8]), ("B", SESSIONS[0], SESSIONS[8])}
    assert store.quality.check_changed(NOW + timedelta(days=1)).symbols == 2
    assert store.findings.counts(FindingFilter(severity="error")) == {"error": 0, "warning": 0}
