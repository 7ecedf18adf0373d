"""What ``python -m workers adjust rebuild`` does: compute the factors of adjusted prices again."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from common.command_line import ExitCode
from common.errors import PipelineError
from common.values import Symbol
from workers.commands import CommandResult, failed
from workers.progress import counting
from workers.wiring import Wiring

#: How many symbols a line names.
_NAMED: Final = 20


def rebuild(symbols: Sequence[Symbol] | None, *, as_json: bool) -> CommandResult:
    """Rebuild the factors of the symbols, or of all (None), and say which of them changed."""
    try:
        with Wiring.from_environment() as wiring, counting("symbols", shown=not as_json) as told:
            return _rebuild(wiring, symbols, told)
    except PipelineError as error:
        return failed(error)


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
