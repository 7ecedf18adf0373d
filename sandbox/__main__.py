"""``python -m sandbox``."""

import sys

from sandbox.options import read_options
from sandbox.server import run

if __name__ == "__main__":
    sys.exit(run(read_options()))
