"""The sessions of every exchange in a year and the one before it, as JSON: ``python -m plugins.market.calendars YEAR``.

A program of its own: what it imports takes seconds and a hundred megabytes, which no server of pages should keep.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final

import msgspec

from common.trading_calendar import EXCHANGES, NEW_YORK, sessions_of

_ROOT: Final = Path(__file__).resolve().parents[2]
#: Generously, on a busy machine.
_TIMEOUT_S: Final = 300

#: Day and close of each session, in order, by the exchange's code.
Sessions = Mapping[str, Sequence[tuple[date, datetime]]]


def read_sessions(year: int) -> Sessions:
    """Run the program and return what it prints. Raises OSError, SubprocessError or msgspec.MsgspecError."""
    done = subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-W", "ignore", "-m", "plugins.market.calendars", str(year)],
        env={"PYTHONPATH": str(_ROOT)},
        cwd=_ROOT,
        capture_output=True,
        check=True,
        timeout=_TIMEOUT_S,
    )
    return msgspec.json.decode(done.stdout, type=dict[str, list[tuple[date, datetime]]])


def main(year: int) -> None:
    """Print the sessions of every exchange that a symbol's suffix names."""
    codes = sorted({NEW_YORK, *EXCHANGES.values()})
    sessions = {code: [(session.day, session.closed_at) for session in sessions_of(code, year)] for code in codes}
    sys.stdout.buffer.write(msgspec.json.encode(sessions))


if __name__ == "__main__":
    main(int(sys.argv[1]))
