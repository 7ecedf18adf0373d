"""What ``python -m workers gaps …`` does; its options are declared in gaps_parser.py."""

from argparse import Namespace
from dataclasses import asdict

from common.command_line import ExitCode
from common.errors import PipelineError
from common.gaps import Gap
from common.redaction import one_line
from workers.commands import CommandResult, failed
from workers.wiring import Wiring


def run_command(options: Namespace) -> CommandResult:
    """Run the command that was parsed; an error is a result as well, for ``--json``."""
    try:
        return _list(options) if options.command == "list" else _mark(options)
    except PipelineError as error:
        return failed(error)


def _list(options: Namespace) -> CommandResult:
    """List gaps."""
    with Wiring.from_environment() as wiring:
        state = None if options.state == "any" else options.state
        gaps, total = wiring.store.gaps.listed(state, options.symbols, options.limit)
    lines = [_line(gap) for gap in gaps] or ["there is no gap that fits"]
    if (more := total - len(gaps)) > 0:
        lines.append(f"… and {more:,} more: --limit shows them")
    return CommandResult(ExitCode.DONE, {"total": total, "gaps": [asdict(gap) for gap in gaps]}, lines)


def _line(gap: Gap) -> str:
    sessions = f"{gap.sessions:,} {'session' if gap.sessions == 1 else 'sessions'}"
    again = f"  asked again from {gap.ask_again_at:%Y-%m-%d} on" if gap.ask_again_at else ""
    word = f"  [{one_line(gap.word)}]" if gap.word else ""
    return f"{gap.symbol:<12}  {gap.first_session} to {gap.last_session}  {gap.state:<14}  {sessions}{again}{word}"


def _mark(options: Namespace) -> CommandResult:
    """Note what a person knows of a gap, or that it is not so."""
    if (options.state == "halted") != bool(options.word.strip()):
        sentence = 'say why it was halted, and who says so: … halted "WORD"; to open it again takes no word'
        return CommandResult(ExitCode.USAGE, {"detail": sentence}, problem=sentence)
    with Wiring.from_environment() as wiring:
        table = wiring.store.gaps
        if options.state == "halted":
            gap = table.mark_halted(options.symbol, options.first, options.word)
        else:
            gap = table.mark_open(options.symbol, options.first)
    if gap:
        return CommandResult(ExitCode.DONE, asdict(gap), [_line(gap)])
    wanted = "open, absent or halted" if options.state == "halted" else "halted"
    sentence = (
        f"{options.symbol} has no gap from {options.first} on that is {wanted}: "
        f"python -m workers gaps list --state any --symbols {options.symbol}"
    )
    return CommandResult(ExitCode.FAILED, {"detail": sentence}, problem=sentence)
