"""What a person sees of a run that has ended."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from common.settings import PipelineSettings
from common.values import Outcome, OutcomeStatus, Symbol
from local.demo import show_run
from local.terminal import console
from tests.support.rows import quote, save_quotes
from tests.support.wiring import wired

RUN = "manual__1"


@dataclass
class Seen:
    """A cluster of which only the databases are real."""

    settings: PipelineSettings
    running: bool = True


def shown(environment: dict[str, str], capsys: pytest.CaptureFixture[str], outcomes: Sequence[Outcome]) -> str:
    with wired(environment) as wiring:
        save_quotes(wiring.store, [quote("IBM", change_percent="-0.0012"), quote("PENNY", price="0.0034")])
        wiring.store.ledger.record_outcomes(outcomes)
        capsys.readouterr()
        show_run(Seen(wiring.settings), RUN, "failed", console())  # type: ignore[arg-type]
    return capsys.readouterr().out


def outcome(symbol: str, status: OutcomeStatus, detail: str = "") -> Outcome:
    return Outcome(RUN, Symbol(symbol), status, "reason", detail, worker="[/red]worker\x1b[2J")


def test_foreign_text_is_shown_as_written(environment: dict[str, str], capsys: pytest.CaptureFixture[str]):
    """A provider's markup and a worker's control characters end no command and colour nothing."""
    text = shown(environment, capsys, [outcome("IBM", OutcomeStatus.FAILED, "IBM: it says [/red] and [bold]\x07")])
    assert "IBM: it says [/red] and [bold]\\x07" in text
    assert "[/red]worker\\x1b[2J" in text
    assert "\x1b" not in text


def test_roundings_keep_their_meaning(environment: dict[str, str], capsys: pytest.CaptureFixture[str]):
    """No -0.00 %, and a price below a cent is not nothing."""
    text = shown(environment, capsys, [outcome("IBM", OutcomeStatus.STORED), outcome("PENNY", OutcomeStatus.STORED)])
    assert " 0.00 %" in text
    assert "-0.00" not in text
    assert "0.0034" in text


def test_a_large_run_stays_readable(environment: dict[str, str], capsys: pytest.CaptureFixture[str]):
    """Of a thousand symbols failures come first, each reason once, and the rest is counted."""
    many = [outcome(f"S{number}", OutcomeStatus.STORED) for number in range(1000)]
    many += [outcome(f"Z{number}", OutcomeStatus.FAILED, "the key is refused") for number in range(20)]
    lines = shown(environment, capsys, many).splitlines()
    assert sum("the key is refused" in line for line in lines) == 1
    assert any("Z9 and 10 more: the key is refused" in line or "and 10 more: the key" in line for line in lines)
    assert "… and 720 more: the table fetch_outcomes has every symbol of the run" in lines
    assert len(lines) < 320
