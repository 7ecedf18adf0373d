"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedRandom
from pathlib import Path
from secrets import token_hex


@contextmanager
def written_whole(path: Path) -> Iterator[BufferedRandom]:
    """Yield a new file that takes the name ``path`` when the block has ended well, else it is deleted.

    It is on the disk by then. Raises OSError.
    """
    partial = path.with_name(f".{path.name}.{token_hex(4)}.partial")
    try:
        with partial.open("x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
