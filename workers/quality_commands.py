"""What ``python -m workers quality …`` does; its options are declared in quality_parser.py."""

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Final

from common.command_line import ExitCode, colours
from common.errors import PipelineError
from common.quality import FindingFilter, QualityFinding, all_checks
from common.redaction import one_line
from workers.commands import CommandResult, failed
from workers.progress import counting
from workers.wiring import Wiring

_COLOURS: Final = {"error": 31, "warning": 33}


def run_command(options: Namespace) -> CommandResult:
    """Run the command that was parsed; an error is a result as well, for ``--json``."""
    try:
        return _COMMANDS[options.command](options)
    except PipelineError as error:
        return failed(error)


def _list(options: Namespace) -> CommandResult:
    """List findings."""
    state = None if options.state == "any" else options.state
    which = FindingFilter(state, options.severity, options.check, options.symbols)
    with Wiring.from_environment() as wiring:
        findings = wiring.store.findings.list(which, options.limit)
        counts = wiring.store.findings.counts(which)
    lines = [_line(finding) for finding in findings] or ["there is no finding that fits"]
    if (more := sum(counts.values()) - len(findings)) > 0:
        lines.append(f"… and {more} more: --limit shows them")
    document = {"counts": counts, "findings": [asdict(each) | {"state": each.state} for each in findings]}
    return CommandResult(ExitCode.DONE, document, lines)


def _line(finding: QualityFinding) -> str:
    text = f"{finding.severity:<7}"
    shown = f"\x1b[{_COLOURS[finding.severity]}m{text}\x1b[0m" if colours(sys.stdout) else text
    known = f"  [{finding.acknowledged_by}: {one_line(finding.acknowledged_word)}]" if finding.acknowledged_word else ""
    return (
        f"{finding.id:>6}  {shown}  {finding.state:<12}  {finding.check_name:<22}  {finding.symbol:<12}  "
        f"{finding.session}  {one_line(finding.message)}{known}"
    )


def _check(options: Namespace) -> CommandResult:
    """Look at what changed, or at what was asked for, to its end; say what is open."""
    with Wiring.from_environment() as wiring:
        grace = timedelta(seconds=wiring.settings.session_grace)
        if options.all or options.symbols:
            wiring.store.quality.pend(None if options.all else options.symbols)
        with counting("symbols", shown=not options.json) as told:
            counts = wiring.store.quality.check_changed(
                datetime.now(UTC), grace=grace, told=lambda counts: told(counts.symbols)
            )
        found = wiring.store.findings.counts(FindingFilter(symbols=options.symbols))
    document = {"symbols": counts.symbols, "opened": counts.opened, "waiting": counts.waiting, "open": found}
    line = (
        f"symbols looked at: {counts.symbols:,}; findings opened: {counts.opened:,}; "
        f"errors open: {found['error']:,}; warnings open: {found['warning']:,}"
    )
    code = ExitCode.FAILED if found["error"] else ExitCode.DONE
    problem = "errors are open: python -m workers quality list --severity error" if found["error"] else ""
    return CommandResult(code, document, [line], problem)


def _acknowledge(options: Namespace) -> CommandResult:
    """Note that a person knows findings."""
    if not (options.word.strip() and options.by.strip()):
        sentence = "say why they need nothing with --word, and who says so with --by"
        return CommandResult(ExitCode.USAGE, {"detail": sentence}, problem=sentence)
    with Wiring.from_environment() as wiring:
        known = wiring.store.findings.acknowledge(options.ids, options.word, options.by)
    unknown = sorted(set(options.ids) - known)
    names = ", ".join(map(str, unknown))
    problem = f"there is no open finding {names}: python -m workers quality list" if unknown else ""
    document = {"acknowledged": sorted(known), "not_open": unknown}
    code = ExitCode.FAILED if unknown else ExitCode.DONE
    return CommandResult(code, document, [f"{len(known)} acknowledged"], problem)


def _checks(options: Namespace) -> CommandResult:
    """Say what each check is."""
    del options
    lines = [
        line
        for check in all_checks()
        for line in (
            f"{check.name} ({check.severity}): {check.meaning}",
            f"    threshold: {check.threshold}",
            f"    false positives: {check.false_positives}",
        )
    ]
    return CommandResult(ExitCode.DONE, {"checks": [asdict(check) for check in all_checks()]}, lines)


_COMMANDS: Final[Mapping[str, Callable[[Namespace], CommandResult]]] = {
    "list": _list,
    "check": _check,
    "ack": _acknowledge,
    "checks": _checks,
}
