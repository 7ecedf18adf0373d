"""Make ``.venv`` from the locked, hashed requirements: ``python3 local/install.py``. Only the standard library.

uv installs in seconds what takes pip minutes, so pip fetches uv (locked too) and uv does the rest. Where uv cannot
(a platform without its wheel, a mirror that only pip knows), pip does it all.
"""

from __future__ import annotations  # an old Python must get as far as the message that names it

import hashlib
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed"
LOCKS = ("requirements.lock", "requirements-local.lock")
OLDEST, NEWEST = (3, 11), (3, 13)


def main(arguments: Sequence[str]) -> int:
    """Install unless the environment is up to date; return the exit code.

    ``--this-python``: the environment must be of the Python that runs this; else any that is installed will do.
    """
    if not set(arguments) <= {"--this-python"}:
        print(__doc__ if arguments in (["--help"], ["-h"]) else "usage: install.py [--this-python]", flush=True)
        return 0 if arguments in (["--help"], ["-h"]) else 2
    if os.pathsep in str(ROOT):
        print(
            f"the folder {ROOT} has a {os.pathsep} in its name, which separates folders in PATH: rename it.",
            file=sys.stderr,
        )
        return 1
    same = "--this-python" not in arguments or _version() == _ours()
    if same and _stamp() == _fingerprint():
        return 0
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        print(
            f"Python {_ours()} cannot run Airflow 3.3: use 3.11, 3.12 or 3.13, such as `make demo PYTHON=python3.12`.",
            file=sys.stderr,
        )
        return 1
    print("installing into .venv (the first time takes a minute or two) …", flush=True)
    venv.create(VENV, with_pip=True, clear=not _stamp() or _version() != _ours())
    if not (_with_uv() or _with_pip()):
        print("the installation failed: what is above says why.", file=sys.stderr)
        return 1
    STAMP.write_text(_fingerprint(), encoding="utf-8")
    return 0


def _stamp() -> str:
    return STAMP.read_text("utf-8") if STAMP.exists() else ""


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for lock in LOCKS:
        digest.update((ROOT / lock).read_bytes())
    return digest.hexdigest()


def _ours() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _version() -> str:
    """Return the version of the environment's Python, '' where there is none."""
    settings = VENV / "pyvenv.cfg"
    lines = settings.read_text("utf-8").splitlines() if settings.exists() else []
    return next((line.partition("=")[2].strip() for line in lines if line.startswith("version")), "")


def _with_uv() -> bool:
    pip: list[str | Path] = [VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not _run([*pip, "--require-hashes", "--only-binary=:all:", "-r", ROOT / "requirements-uv.lock"]):
        return False
    # Compiled now, or the first start of each process compiles: that is half of its time.
    options: list[str | Path] = [
        "--quiet",
        "--require-hashes",
        "--compile-bytecode",
        "--python",
        VENV / "bin" / "python",
    ]
    if not _has_home():  # uv keeps a cache there, and fails where it cannot
        options.append("--no-cache")
    return _run([VENV / "bin" / "uv", "pip", "install", *options, *_requirements()])


def _has_home() -> bool:
    cache = Path(os.environ.get("UV_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    return os.access(next(folder for folder in (cache, *cache.parents) if folder.exists()), os.W_OK)


def _with_pip() -> bool:
    # The locks name everything that is needed; pip would ask for the hash of "celery[redis]>=5.5" as well.
    print("uv could not install; trying with pip, which takes minutes …", flush=True)
    return _run([VENV / "bin" / "python", "-m", "pip", "install", "--require-hashes", "--no-deps", *_requirements()])


def _requirements() -> list[str]:
    return [part for lock in LOCKS for part in ("-r", str(ROOT / lock))]


def _run(command: Sequence[str | Path]) -> bool:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    return subprocess.run([str(part) for part in command], check=False, env=environment).returncode == 0


def _command_line() -> int:
    """Return the exit code; what an interruption, a full disk or a reader that has gone does is a sentence."""
    try:
        return main(sys.argv[1:])
    except KeyboardInterrupt:
        print("interrupted: the same command goes on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        code = 1
    except OSError as problem:
        print(f"the installation failed: {problem.strerror}: {problem.filename or 'output'}", file=sys.stderr)
        code = 1
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter complains of what it could not write once more
    return code


if __name__ == "__main__":
    sys.exit(_command_line())
