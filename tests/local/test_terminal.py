"""What a person sees of a text that a stranger wrote, and of numbers."""

import io
from decimal import Decimal

import pytest
from rich.console import Console
from rich.table import Table

from common.redaction import escape_controls
from local.terminal import console, foreign, percent, price

HOSTILE = ["[/red]", "[red]x[/]", "[/]", "[link=file:///x]y[/link]", ":smile:", "\x1b[2Jgone", "a\\[b", "[bold", "\x07"]


@pytest.mark.parametrize("text", HOSTILE)
def test_foreign_text_is_shown_as_written(monkeypatch: pytest.MonkeyPatch, text: str):
    """Markup is no markup, and control characters are escaped: in a line, in a table, as a plain string."""
    output = io.StringIO()
    monkeypatch.setattr("sys.stdout", output)
    screen: Console = console()
    screen.print(foreign(text))
    table = Table()
    table.add_column("symbol")
    table.add_row(foreign(text))
    screen.print(table)
    if text.isprintable():
        screen.print(text)
    shown = output.getvalue()
    assert shown.count(escape_controls(text)) == (3 if text.isprintable() else 2)
    assert "\x1b" not in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("-0.0041", "0.00 %"),
        ("0.0041", "0.00 %"),
        ("-0.0000", "0.00 %"),
        ("0", "0.00 %"),
        ("-0.0051", "-0.01 %"),
        ("-0.4761", "-0.48 %"),
        ("1.5", "+1.50 %"),
    ],
)
def test_rounded_zero_has_no_sign(value: str, shown: str):
    """There is no -0.00 %."""
    assert percent(Decimal(value)) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("222.2600", "222.26"),
        ("222.0000", "222.00"),
        ("1234567.5", "1,234,567.50"),
        ("0.0034", "0.0034"),
        ("1E+3", "1,000.00"),
        ("236.1309", "236.1309"),
        ("0.00000012", "0.000000"),
    ],
)
def test_a_small_price_keeps_its_digits(value: str, shown: str):
    """A price of a fraction of a cent is not shown as nothing."""
    assert price(Decimal(value)) == shown
