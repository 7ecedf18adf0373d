"""What each command line owes the shell: the exit codes there are, quiet ends, text that any terminal can show.

It imports nothing that is slow, so that Ctrl-C is quiet while a command is still being imported.
"""

import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from typing import Final, NoReturn, TextIO

from common.errors import PipelineError, RunFailed
from common.redaction import escape_controls


class ExitCode(IntEnum):
    """How a command ended. The same numbers for every command; NOT_NOW is ``EX_TEMPFAIL`` of sysexits.h."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    QUARANTINED = 3
    ACT_FIRST = 4
    NOT_NOW = 75
    INTERRUPTED = 130


#: What ``--help`` says of the exit codes.
EXIT_CODES: Final = """\
exit codes:
  0    done: stored, or stored already; or all is healthy
  1    failed, or not healthy; the message says why
  2    wrong usage
  3    the provider's reply was refused, and is kept in quarantine with the reason
  4    a person has to act first: a setting, the API key, the database's schema
  75   not now: the quota has no call left; the message says when it can go
  130  interrupted
"""


def run(command: Callable[[], int]) -> NoReturn:
    """Run ``command`` and end the process with its exit code; nothing from outside ends it in a traceback."""
    _prepare_streams()
    code = _ended(command)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # all is said: Ctrl-C while the interpreter ends needs no traceback
    sys.exit(code)


def say(text: str, *, to: TextIO | None = None) -> None:
    """Print a line for a person, on standard error by default, with control characters escaped."""
    print(escape_controls(text), file=to or sys.stderr, flush=True)


def colours(stream: TextIO) -> bool:
    """Whether ``stream`` is a terminal that shows colours, and nobody asked for none (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _ended(command: Callable[[], int]) -> int:
    """Return the exit code that the command ends with, whatever happens to it."""
    try:
        code = _code_of(command)
        sys.stdout.flush()  # here, where a reader that has gone is expected
    except KeyboardInterrupt:
        with suppress(OSError):
            say("interrupted")
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        code = ExitCode.FAILED  # nobody reads any more, so there is nobody to tell
    except (PipelineError, OSError) as error:
        with suppress(OSError):
            say(_sentence(error))
        code = ExitCode.ACT_FIRST if isinstance(error, RunFailed) else ExitCode.FAILED
    _drop_unwritten()
    return code


def _code_of(command: Callable[[], int]) -> int:
    try:
        return command()
    except SystemExit as ended:  # argparse ends so, and its help may still wait in the buffer
        if isinstance(ended.code, str):
            say(ended.code)
            return ExitCode.FAILED
        return ended.code or 0


def _sentence(error: PipelineError | OSError) -> str:
    if isinstance(error, PipelineError):
        return f"{error.reason}: {error}"
    where = f" ({error.filename})" if error.filename else ""
    return f"failed: {error.strerror or error}{where}"


def _prepare_streams() -> None:
    """Let every character pass: what a terminal cannot show is escaped, and a stream that is closed takes all."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # started with >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  lives as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_unwritten() -> None:
    """Send what cannot be written nowhere, or the interpreter complains of it once more when it ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())
