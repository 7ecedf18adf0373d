"""What ``python -m workers quarantine …`` and ``… replies reparse`` do; their options are declared in __main__.py."""

import shutil
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from common.command_line import ExitCode, colours, say
from common.errors import PipelineError
from common.quarantine import Filter, QuarantinedReply, Summary
from common.redaction import escape_controls, one_line
from workers.commands import CommandResult, failed
from workers.pipeline import replay as replays
from workers.pipeline.replay import Result
from workers.progress import counting
from workers.wiring import Wiring

#: How many lines of a screen the other facts take.
_FACTS: Final = 14
#: How many single replies a summary names.
_NAMED: Final = 20
#: What a verdict is called where one is shown, and its colour.
_COLOURS: Final = {"stored": 32, "refused": 31, "not_kept_whole": 33, "left": 33, "not_found": 31}
_HINTS: Final[Mapping[str, str]] = {
    "http_status": "It is no data and will never be: drop it. The symbol is asked for again by the next run.",
    "symbol_mismatch": "If the provider spells the symbol so, write it so in STOCK_SYMBOLS, and drop this one.",
    "row_refused": "A constraint of the table refused a row: a defect of ours. Mend it, then replay.",
}
_HINT: Final = (
    "Compare the value with the exchange's own. If it is wrong, drop the reply: the next run asks again. If it is "
    "right, mend the check in common/datasets, then: python -m workers quarantine replay {id}"
)
_NOT_JSON: Final = "It is no data: drop it. The symbol is asked for again by the next run."


def run_command(options: Namespace) -> CommandResult:
    """Run the command that was parsed; an error is a result as well, for ``--json``."""
    try:
        return _COMMANDS[options.command](options)
    except PipelineError as error:
        return failed(error)


def _list(options: Namespace) -> CommandResult:
    """List refused replies, the newest first."""
    which = Filter(options.dataset, options.symbol, options.reason, options.since)
    with Wiring.from_environment() as wiring:
        found = wiring.store.quarantine.summaries(which, options.limit)
    painted = colours(sys.stdout)
    lines = [_line(summary, colour=painted) for summary in found] or ["nothing is in quarantine that fits"]
    return CommandResult(ExitCode.DONE, {"quarantine": [asdict(summary) for summary in found]}, lines)


def _line(summary: Summary, *, colour: bool) -> str:
    state = "replayed" if summary.replayed_at else "waits"
    shown = f"\x1b[{32 if summary.replayed_at else 33}m{state:<8}\x1b[0m" if colour else f"{state:<8}"
    whole = "whole" if summary.is_whole else "cut"
    return (
        f"{summary.id:>6}  {_utc(summary.received_at)}  {summary.dataset:<12} {summary.symbol:<12} "
        f"{escape_controls(summary.reason):<18} {shown} {whole:<5}  {_brief(one_line(summary.message))}"
    )


def _show(options: Namespace) -> CommandResult:
    """Show one refused reply, its text escaped and cut to a screen, and what to do."""
    with Wiring.from_environment() as wiring:
        refused = wiring.store.quarantine.get(options.id)
    if refused is None:
        return _problem(ExitCode.FAILED, f"{options.id} is not in quarantine; quarantine list shows what is.")
    hint = _hint(refused)
    document = asdict(refused) | {"is_whole": not refused.not_whole, "hint": hint}
    facts = {
        "id": refused.id,
        "received": _utc(refused.received_at),
        "dataset": f"{refused.dataset} ({refused.function})",
        "symbol": refused.symbol,
        "run": escape_controls(refused.run_id),
        "reason": escape_controls(refused.reason),
        "message": escape_controls(refused.message),
        "kept": f"not whole: {refused.not_whole}" if refused.not_whole else "whole",
        "replayed": _utc(refused.replayed_at) if refused.replayed_at else "no",
        "what to do": hint,
    }
    lines = [f"{name:<11} {value}" for name, value in facts.items()]
    return CommandResult(ExitCode.DONE, document, [*lines, "", *_screen(refused.payload, full=options.full)])


def _hint(refused: QuarantinedReply) -> str:
    if refused.replayed_at:
        return "Nothing: its rows are stored."
    if refused.not_whole:
        return "It cannot be replayed. Ask for it again, with python -m workers.fetch_and_store, and drop this one."
    hint = _NOT_JSON if refused.reason.startswith("not_json") else _HINTS.get(refused.reason, _HINT)
    return hint.format(id=refused.id)


def _screen(text: str, *, full: bool) -> Iterator[str]:
    """Yield the text's lines, harmless to a terminal; unless ``full`` no more than a screen shows."""
    size = shutil.get_terminal_size()
    left = max(size.lines - _FACTS, 1) * size.columns
    for line in text.split("\n"):
        shown = escape_controls(line.rstrip("\r"))
        if not full and len(shown) > left:
            yield shown[:left]
            yield f"… {len(text):,} characters in all: --full shows them"
            return
        yield shown
        left -= max(-(-len(shown) // size.columns), 1) * size.columns


def _replay(options: Namespace) -> CommandResult:
    """Replay refused replies: the ids in the order given, or all that wait and fit."""
    with Wiring.from_environment() as wiring:
        quarantine = wiring.store.quarantine
        ids = options.ids or quarantine.waiting_ids(options.dataset, options.reason)
        results = replays.replay(wiring.store, wiring.datasets, ids, dry_run=options.dry_run)
        return _summary(results, dry_run=options.dry_run)


def _reparse(options: Namespace) -> CommandResult:
    """Read again what is kept of a dataset."""
    with Wiring.from_environment() as wiring:
        dataset = wiring.datasets[options.dataset]
        results = replays.reparse(
            wiring.store, wiring.datasets, dataset, symbol=options.symbol, since=options.since, dry_run=options.dry_run
        )
        return _summary(results, dry_run=options.dry_run)


def _summary(results: Iterable[Result], *, dry_run: bool) -> CommandResult:
    """Tell what became of each that is not simply stored, and how many there are of each kind."""
    verdicts, rows, named = Counter[str](), Counter[str](), list[Result]()
    with counting("replies") as told:
        for result in results:
            verdicts[result.verdict] += 1
            rows.update(asdict(result.counts))
            if result.verdict != "stored" and len(named) < _NAMED:
                named.append(result)
            told(verdicts.total())
    painted = colours(sys.stdout)
    lines = [_told(result, colour=painted) for result in named]
    if (more := verdicts.total() - verdicts["stored"] - len(named)) > 0:
        lines.append(f"… and {more} more")
    lines.append(_counted(verdicts, rows, dry_run=dry_run))
    document = {"replies": dict.fromkeys(_COLOURS, 0) | verdicts, "rows": dict(rows), "dry_run": dry_run}
    document |= {"not_stored": [asdict(result) for result in named]}
    return CommandResult(_code(verdicts), document, lines)


def _counted(verdicts: Counter[str], rows: Counter[str], *, dry_run: bool) -> str:
    """Say how many replies and rows there are of each kind that there is."""
    if not verdicts:
        return "no reply fits"
    replies = ", ".join(f"{verdicts[name]:,} {name.replace('_', ' ')}" for name in _COLOURS if verdicts[name])
    changed = ", ".join(f"{count:,} {name}" for name, count in rows.items() if count) or "none"
    return f"{'nothing is changed; it would be: ' if dry_run else ''}replies: {replies}; rows: {changed}"


def _brief(message: str) -> str:
    """Leave out what is clear among refused replies."""
    return message.removesuffix(" The reply is kept in quarantine.")


def _code(verdicts: Counter[str]) -> ExitCode:
    if verdicts["refused"] or verdicts["not_kept_whole"]:
        return ExitCode.QUARANTINED
    return ExitCode.FAILED if verdicts["not_found"] else ExitCode.DONE


def _told(result: Result, *, colour: bool) -> str:
    verdict = result.verdict.replace("_", " ")
    shown = f"\x1b[{_COLOURS[result.verdict]}m{verdict}\x1b[0m" if colour else verdict
    why = f"{result.reason}{': ' if result.reason else ''}{_brief(escape_controls(result.message))}"
    return f"{result.id:>6}  {shown}  {why}"


def _drop(options: Namespace) -> CommandResult:
    """Delete refused replies that were not replayed, after a question."""
    what = _replies(len(set(options.ids))) if options.ids else f"all that wait with the reason {options.reason}"
    if not options.yes:
        if not sys.stdin.isatty():
            return _problem(ExitCode.USAGE, f"to drop {what} without a terminal, say --yes")
        say(f"Drop {what}? What is dropped cannot be replayed. [y/N] ")
        if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
            return CommandResult(ExitCode.DONE, {"dropped": 0}, ["nothing is dropped"])
    with Wiring.from_environment() as wiring:
        dropped = wiring.store.quarantine.drop(options.ids or None, options.reason)
    return CommandResult(ExitCode.DONE, {"dropped": dropped}, [f"{_replies(dropped)} dropped"])


def _replies(count: int) -> str:
    return f"{count:,} {'reply' if count == 1 else 'replies'}"


def _problem(code: ExitCode, sentence: str) -> CommandResult:
    return CommandResult(code, {"detail": sentence}, problem=sentence)


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


_COMMANDS: Final[Mapping[str, Callable[[Namespace], CommandResult]]] = {
    "list": _list,
    "show": _show,
    "replay": _replay,
    "drop": _drop,
    "reparse": _reparse,
}
