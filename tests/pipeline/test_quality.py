"""Quality at a run's end, and ``python -m workers quality``, on real services."""

import io
import json

import pytest

from common.command_line import ExitCode
from common.errors import StoreUnavailable
from common.quality import FindingFilter, all_checks
from tests.quality.planting import DAY, sound
from tests.support.market import Market
from tests.support.rows import RUN, outcome, save_bars
from tests.support.wiring import wired
from workers.__main__ import main
from workers.pipeline.report import Report, read_report, report_run
from workers.wiring import Wiring

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # between exchange_calendars and pandas

OUTSIDE = "UPDATE daily_bars SET open_price = high_price + 5 WHERE symbol = %s AND session = %s"
FAULTY = f"outside_range           IBM  {DAY}  bar: open 127 or close 121 is outside of 119 to 122"


@pytest.fixture(autouse=True)
def settings(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def faulty(wiring: Wiring, market: Market) -> Wiring:
    """A run stored bars of two symbols; a bar of IBM, and one of a symbol that is none of the run's, cannot be true."""
    save_bars(wiring.store, [*sound(), *sound("MSFT"), *sound("OTHER")])
    wiring.store.save({}, [outcome("IBM"), outcome("MSFT")])
    for symbol in ("IBM", "OTHER"):
        market.query(OUTSIDE, symbol, DAY)
    return wiring


def command(*words: str) -> tuple[int, str]:
    """Run a command; return its exit code and what it printed."""
    output = io.StringIO()
    code = main(["quality", *words], output)
    return code, output.getvalue()


def as_json(*words: str) -> dict:
    return json.loads(command(*words, "--json")[1])


def quality_lines(report: Report) -> list[str]:
    return [line for line in report.lines() if "outside_range" in line or "findings" in line]


def test_a_report_tells_what_is_open(faulty: Wiring):
    """Counts, the first few and how to see all are in the report; by default an error makes no run red."""
    report = report_run(faulty, RUN)
    told, shown = quality_lines(report)
    assert told.startswith("Open findings on the run's symbols: 1 error and 3 warnings; 7 new.")
    assert told.endswith("python -m workers quality list")
    assert shown.removeprefix("error    ") == FAULTY
    assert (report.failed_too_many, report.as_dict()["quality"]["error"]) == (False, 1)


def test_errors_can_fail_a_run(faulty: Wiring, environment: dict[str, str], market: Market):
    """By choice an error of a run's symbol makes it red, also for whoever tells of it, until it is acknowledged."""
    with wired(environment, QUALITY_ERRORS="fail") as strict:
        report = report_run(strict, RUN)
        assert report.failed_too_many
        assert "1 error and" in report.summary
        assert read_report(strict, RUN).failed_too_many
        errors = strict.store.findings.list(FindingFilter(severity="error", symbols=["IBM"]), 9)
        strict.store.findings.acknowledge([each.id for each in errors], "a known glitch", "ada")
        assert not report_run(strict, RUN).failed_too_many
        market.query(OUTSIDE.replace("+ 5", "+ 6"), "IBM", DAY)
        assert report_run(strict, RUN).failed_too_many  # it is wrong otherwise than what was acknowledged


def test_checks_that_fail_stop_nothing(faulty: Wiring, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]):
    """A report says that the checks could not run, and every symbol has its outcome all the same."""

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("the server restarts")

    monkeypatch.setattr("common.quality.quality.Quality.check_changed", away)
    report = report_run(faulty, RUN)
    assert (len(report.outcomes), report.failed_too_many) == (2, False)
    assert "The quality checks could not run: the server restarts" in list(report.lines())
    with wired(environment, QUALITY_ERRORS="fail") as strict:
        assert report_run(strict, RUN).failed_too_many


def test_a_sound_run_says_nothing(wiring: Wiring):
    """Of a run without findings the report has no line about them."""
    wiring.store.save({}, [outcome("IBM")])
    report = report_run(wiring, RUN)
    assert quality_lines(report) == []


def test_findings_are_listed(faulty: Wiring):
    """A line for each, errors first; filters and a limit choose among them."""
    assert command("list") == (ExitCode.DONE, "there is no finding that fits\n")
    assert command("check")[0] == ExitCode.FAILED
    code, text = command("list", "--limit", "1", "--symbols", "ibm,msft")
    first, more = text.splitlines()
    assert (code, more) == (ExitCode.DONE, "… and 3 more: --limit shows them")
    assert first.split()[1:6] == ["error", "open", "outside_range", "IBM", str(DAY)]
    found = as_json("list", "--check", "outside_range", "--severity", "error")
    assert found["counts"] == {"error": 2, "warning": 0}
    assert {each["symbol"] for each in found["findings"]} == {"IBM", "OTHER"}


def test_a_look_on_demand(faulty: Wiring, market: Market):
    """What waits is looked at, or all of some symbols, or everything; an open error is the exit code."""
    assert as_json("check") | {"open": {}} == {"symbols": 3, "opened": 7, "waiting": 0, "open": {}}
    assert as_json("check")["symbols"] == 0
    assert as_json("check", "--symbols", "IBM,NEVER")["symbols"] == 1
    assert as_json("check", "--all")["symbols"] == 3
    assert command("check", "--symbols", "MSFT")[0] == ExitCode.DONE
    market.query("DELETE FROM quality_findings WHERE severity = 'error'")
    assert command("check")[0] == ExitCode.DONE


def test_a_person_acknowledges(faulty: Wiring):
    """With a word and a name findings are known; an id that is not open is named."""
    command("check")
    number = as_json("list", "--check", "outside_range")["findings"][0]["id"]
    assert command("ack", str(number), "--word", "a glitch", "--by", "ada") == (ExitCode.DONE, "1 acknowledged\n")
    assert "[ada: a glitch]" in command("list", "--state", "acknowledged")[1]
    assert as_json("list", "--check", "outside_range")["counts"]["error"] == 1
    assert as_json("ack", str(number), "999", "--word", "so", "--by", "ada") == {
        "acknowledged": [number],
        "not_open": [999],
    }
    assert command("ack", "999", "--word", "so", "--by", "ada")[0] == ExitCode.FAILED
    assert command("ack", str(number), "--word", " ", "--by", "ada")[0] == ExitCode.USAGE


def test_the_checks_are_explained():
    """Each check says what it finds, its threshold and when it is wrong."""
    code, text = command("checks")
    assert code == ExitCode.DONE
    assert all(check.meaning in text and check.false_positives in text for check in all_checks())
    assert {each["name"] for each in as_json("checks")["checks"]} == {check.name for check in all_checks()}


@pytest.mark.parametrize(
    "words", [["ack"], ["ack", "1"], ["list", "--limit", "0"], ["check", "--all", "--symbols", "IBM"], ["nonsense"]]
)
def test_a_wrong_usage_changes_nothing(words: list[str]):
    """What does not say what is meant, or says it twice, is refused."""
    with pytest.raises(SystemExit) as ended:
        main(["quality", *words])
    assert ended.value.code == ExitCode.USAGE
