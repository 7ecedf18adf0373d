"""How far a command is, on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn


@contextmanager
def counting(what: str, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Show on standard error, if that is a terminal, how many of ``what`` are done and since when; take that number."""
    columns = (TextColumn("{task.completed:,.0f}"), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    silent = not (shown and sys.stderr.isatty())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=silent) as progress:
        task = progress.add_task(what, total=None)
        yield lambda count: progress.update(task, completed=count)
