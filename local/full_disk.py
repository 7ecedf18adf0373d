"""What keeps supervisord alive while its disk is full, and its programs coming back: changes of its private parts.

As it is, it writes what it could not log to a log again, and ends; and it gives a program up that ended at once a few
times, as PostgreSQL does until there is space.
"""

import time
from contextlib import suppress
from typing import Final

from supervisor import loggers, process
from supervisor.states import ProcessStates

#: The longest pause (s) before a program is started again.
LONGEST_PAUSE_S: Final = 5.0


class PatientSubprocess(process.Subprocess):  # type: ignore[misc]  # supervisor has no types
    """A program whose pause between two starts stays short, however often it ended."""

    delay: float

    def change_state(self, new_state: int, expected: bool = True) -> None:
        """Called at each change; a program that ended too early gets its pause here."""
        super().change_state(new_state, expected)
        if new_state == ProcessStates.BACKOFF:
            self.delay = min(self.delay, time.time() + LONGEST_PAUSE_S)


class PatientLog(loggers.RotatingFileHandler):  # type: ignore[misc]  # same
    """A log that drops what it cannot write, and goes on when it can."""

    def handleError(self) -> None:  # noqa: N802  supervisor's name
        """Called where a line could not be written: there is nowhere to say so."""

    def doRollover(self) -> None:  # noqa: N802  supervisor's name
        """Called after each line: begin the next file if this one is long enough."""
        try:
            super().doRollover()
        except (OSError, ValueError):  # ValueError: the last try closed the file and could open none
            with suppress(OSError):
                self.stream = open(self.baseFilename, "ab")  # noqa: SIM115  lives as long as the log


def bear_a_full_disk() -> None:
    """Let supervisord use the classes above."""
    process.Subprocess = PatientSubprocess
    loggers.RotatingFileHandler = PatientLog
