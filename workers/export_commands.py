"""What ``python -m workers export`` does: a table or view as CSV or Parquet, into a file or to standard output."""

from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Final, TextIO

from rich import filesize

from common.command_line import ExitCode, say
from common.errors import NotExportable, PipelineError, RunFailed
from common.export import Exporter, Manifest, Selection
from common.export.interruption import interruptible
from common.settings import PipelineSettings
from workers.commands import INVENTED, CommandResult
from workers.progress import counting

_STANDARD_OUTPUT: Final = "-"


def run_command(options: Namespace, output: TextIO) -> int:
    """Export what the options say; return the exit code."""
    try:
        result = _export(options, output)
    except BrokenPipeError:
        raise  # whoever reads standard output has enough: the command ends as each does then
    except (PipelineError, OSError) as error:
        reason, detail = _told(error, options.to)
        result = CommandResult(_code(error), {"reason": reason, "detail": detail}, problem=f"{reason}: {detail}")
    return result.show(output, as_json=options.json)


def _code(error: PipelineError | OSError) -> ExitCode:
    if isinstance(error, NotExportable):
        return ExitCode.USAGE
    return ExitCode.ACT_FIRST if isinstance(error, RunFailed) else ExitCode.FAILED


def _told(error: PipelineError | OSError, target: str) -> tuple[str, str]:
    if isinstance(error, PipelineError):
        return error.reason, str(error)
    return "not_written", f"{target} cannot be written: {error.strerror or error}."


def _export(options: Namespace, output: TextIO) -> CommandResult:
    if options.first and options.last and options.first > options.last:
        raise NotExportable(f"no day is from {options.first} on and up to {options.last}: turn them round.")
    selection = Selection(options.relation, options.symbols, options.first, options.last, options.as_of)
    settings = PipelineSettings.from_environment()
    exporter = Exporter(settings.market_dsn, timeout_s=settings.market_db_timeout, invented=settings.uses_sandbox)
    if options.to == _STANDARD_OUTPUT:
        return _to_standard_output(exporter, selection, output, as_json=options.json)
    with counting(f"rows of {options.relation}", shown=not options.json) as told, interruptible(exporter.cancel):
        return _written(exporter.to_file(selection, Path(options.to), told))


def _to_standard_output(exporter: Exporter, selection: Selection, output: TextIO, *, as_json: bool) -> CommandResult:
    if as_json:
        raise NotExportable("--json goes with a file: standard output is taken by the rows.")
    with counting(f"rows of {selection.relation}", shown=not output.isatty()) as told, interruptible(exporter.cancel):
        exporter.to_stream(selection, output.buffer, told)
    if exporter.invented:
        say(INVENTED)
    return CommandResult(ExitCode.DONE, {})


def _written(manifest: Manifest) -> CommandResult:
    rows = f"{manifest.rows:,} {'row' if manifest.rows == 1 else 'rows'} of {manifest.selection.relation}"
    lines = [f"{rows}: {manifest.file}, {filesize.decimal(manifest.bytes)}"]
    if manifest.invented:
        lines.append(INVENTED)
    lacking = manifest.symbols_without_rows
    problem = f"no rows of {', '.join(lacking)}" if lacking else ""
    return CommandResult(ExitCode.DONE, asdict(manifest), lines, problem)
