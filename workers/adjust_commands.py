"""What ``python -m workers adjust rebuild`` does: compute the factors of adjusted prices again."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from common.command_line import ExitCode
from common.errors import ConfigurationError, PipelineError
from common.values import Symbol
from workers.commands import CommandResult
from workers.wiring import Wiring

#: How many symbols a line names.
_NAMED: Final = 20


def rebuild(symbols: Sequence[Symbol] | None, *, as_json: bool) -> CommandResult:
    """Rebuild the factors of the symbols, or of all (None), and say which of them changed."""
    try:
        with Wiring.from_environment() as wiring, _progress(shown=not as_json) as told:
            return _rebuild(wiring, symbols, told)
    except PipelineError as error:
        code = ExitCode.ACT_FIRST if isinstance(error, ConfigurationError) else ExitCode.FAILED
        return CommandResult(code, {"reason": error.reason, "detail": str(error)}, problem=f"{error.reason}: {error}")


def _rebuild(wiring: Wiring, symbols: Sequence[Symbol] | None, told: Callable[[int], None]) -> CommandResult:
    seen, changed, read_again = list[str](), list[str](), 0
    for step in wiring.store.adjustments.rebuild(symbols):
        seen += step.symbols
        changed += step.changed
        read_again += step.read_again
        told(len(seen))
    unknown = sorted({str(symbol) for symbol in symbols or ()}.difference(seen))
    document: dict[str, Any] = {"symbols": len(seen), "changed": changed, "read_again": read_again, "unknown": unknown}
    line = (
        f"{len(seen)} symbols: the factors of {len(changed)} are others now{_named(changed)}, {read_again} splits are "
        "read as other shares"
    )
    problem = f"no bars and no actions of {', '.join(unknown)}" if unknown else ""
    return CommandResult(ExitCode.DONE, document, [line], problem)


def _named(symbols: Sequence[str]) -> str:
    more = " …" if len(symbols) > _NAMED else ""
    return f" ({', '.join(symbols[:_NAMED])}{more})" if symbols else ""


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how many symbols are done; take that number."""
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    silent = not (shown and sys.stderr.isatty())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=silent) as progress:
        task = progress.add_task("symbols", total=None)
        yield lambda count: progress.update(task, completed=count)
