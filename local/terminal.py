"""What a person sees. Text that a stranger wrote is shown as it is: neither markup nor a terminal's commands."""

import sys
from decimal import Decimal
from typing import Final

from rich.console import Console
from rich.text import Text

from common.redaction import escape_controls

_PLAIN_WIDTH: Final = 120  # of what is piped or logged
_DIGITS: Final = (2, 6)  # the fewest and the most of a price


class _Console(Console):
    """A console whose reader may go: what that ends is the command's to say."""

    def on_broken_pipe(self) -> None:
        """Called while BrokenPipeError is handled; rich would end the process without a word."""
        raise  # noqa: PLE0704  rich calls it within its handler


def console(*, stderr: bool = False) -> Console:
    """Return a console that reads no markup; rich leaves colours out without a terminal, and where NO_COLOR is set."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PLAIN_WIDTH
    return _Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False, width=width)


def foreign(text: str, style: str = "") -> Text:
    """Return text of whatever origin for a console; lines stay lines."""
    return Text("\n".join(map(escape_controls, text.splitlines())), style)


def percent(value: Decimal) -> str:
    """Return a change with its sign; what rounds to zero has none."""
    return f"{value:+.2f} %" if round(value, 2) else "0.00 %"


def price(value: Decimal) -> str:
    """Return a price with two digits, or with as many as a small one needs."""
    exponent = value.normalize().as_tuple().exponent
    fewest, most = _DIGITS
    digits = min(max(fewest, -exponent), most) if isinstance(exponent, int) else fewest
    return f"{value:,.{digits}f}"
