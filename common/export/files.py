"""Files that are there whole or not at all."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from io import BufferedRandom, BufferedReader
from pathlib import Path
from secrets import token_hex


@contextmanager
def written_whole(path: Path) -> Iterator[BufferedRandom]:
    """Yield a new file that takes the name ``path`` when the block has ended well, else it is deleted.

    It is on the disk by then. What a killed process left of an earlier one is deleted first. Raises OSError.
    """
    _delete_leftovers(path)
    partial = path.with_name(f".{path.name}.{token_hex(4)}.partial")
    try:
        with partial.open("x+b") as file:
            _lock(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _delete_leftovers(path: Path) -> None:
    """Delete the partial files of this name that nobody has locked, so nobody writes; another user's stay."""
    for partial in path.parent.glob(f".{escape(path.name)}.*.partial"):
        with suppress(FileNotFoundError, PermissionError), partial.open("rb") as file:
            if _lock(file):
                partial.unlink()


def _lock(file: BufferedRandom | BufferedReader) -> bool:
    """Lock a file for as long as it is open; return False where another process has, or the file system knows none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
