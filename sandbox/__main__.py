"""``python -m sandbox``."""

import os
import sys

from sandbox.options import read_options
from sandbox.server import run


def main() -> int:
    """Serve until a signal ends it; return the exit status."""
    try:
        try:
            return run(read_options())
        finally:
            sys.stdout.flush()  # here, where a reader that has gone is expected
    except KeyboardInterrupt:
        return 130
    except OSError as error:  # of standard output alone: the others have their sentence
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains of it once more
        return 0 if isinstance(error, BrokenPipeError) else 1


if __name__ == "__main__":
    sys.exit(main())
