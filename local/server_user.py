"""Whom PostgreSQL runs as, and how it reaches its data and its programs there.

PostgreSQL refuses to run as root. A root user's server runs as ``nobody``, who may enter neither root's home nor what
else only root may enter, and no folder of a person is opened for it. The data is reached all the same: the server is
started *in* its folder, and Linux leads ``/proc/self/cwd`` there without a look at the folders above (proc(5)). The
programs that ``nobody`` cannot reach are copied, once, to where everybody may read them.
"""

import hashlib
import os
import pwd
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypedDict

import psutil

UNPRIVILEGED_USER: Final = "nobody"  # every system has it
#: Where root keeps the copy of programs that only root can reach.
COPIES: Final = Path("/var/cache/stock-data-pipeline")
#: The longest path (bytes) in which PostgreSQL finds its own program: MAXPGPATH of pg_config_manual.h, less one.
_LONGEST_PATH: Final = 1023


class User(TypedDict, total=False):
    """The arguments of subprocess.Popen that change the user; none of root's groups stay."""

    user: str
    group: int
    extra_groups: list[int]


def server_user() -> str | None:
    """Return the user that PostgreSQL must run as, or None for the user we are."""
    return UNPRIVILEGED_USER if os.geteuid() == 0 else None


def as_server_user() -> User:
    """Return what makes subprocess.Popen run a program as the server's user."""
    if not (name := server_user()):
        return {}
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


def owner() -> tuple[int, int]:
    """Return the ids of the server's user and group."""
    entry = pwd.getpwnam(UNPRIVILEGED_USER) if server_user() else None
    return (entry.pw_uid, entry.pw_gid) if entry else (os.geteuid(), os.getegid())


def data_folder(folder: Path) -> str:
    """Return how a server that is started in the folder names it."""
    return "/proc/self/cwd" if sys.platform == "linux" else str(folder)


def reachable(programs: Path) -> Path:
    """Return the folder of programs, or a copy of it, that the server's user can execute. Raises RuntimeError.

    ``programs`` is ``PACKAGE/INSTALLATION/bin``; the package's libraries are in ``PACKAGE.libs``, where a wheel has
    them, and found from there.
    """
    installation = programs.resolve().parent
    parts = [part for part in (installation, _libraries(installation)) if part.exists()]
    length = len(os.fsencode(programs / "postgres"))
    if length > _LONGEST_PATH and not server_user():
        raise RuntimeError(
            f"PostgreSQL cannot run where its program's path has more than {_LONGEST_PATH} characters "
            f"({programs / 'postgres'} has {length}): put the checkout into a folder with a shorter path."
        )
    if length <= _LONGEST_PATH and (not server_user() or all(map(_open_to_all, parts))):
        return programs
    copy = COPIES / f"{_prefix(programs)}{(programs / 'postgres').stat().st_mtime_ns}"
    try:
        if not copy.exists():
            _copy(parts, installation.parent.parent, copy)
    except OSError as error:
        raise RuntimeError(
            f"PostgreSQL does not run as root, {UNPRIVILEGED_USER} cannot reach its programs in {installation}, and "
            f"they cannot be copied to {COPIES} ({error.strerror}): put the checkout into a folder that everybody may "
            "enter, or start the cluster as an ordinary user."
        ) from None
    return copy / installation.parent.name / installation.name / "bin"


def remove_copies(programs: Path) -> None:
    """Remove the copies of these programs, but for those that run."""
    for copy in COPIES.glob(f"{_prefix(programs)}*"):
        if not any(path.is_relative_to(copy) for path in _running()):
            shutil.rmtree(copy, ignore_errors=True)
    with suppress(OSError):  # others are in it, or it was never there
        COPIES.rmdir()


def _libraries(installation: Path) -> Path:
    return installation.parent.with_name(f"{installation.parent.name}.libs")


def _prefix(programs: Path) -> str:
    return f"{hashlib.sha256(os.fsencode(programs.resolve())).hexdigest()[:16]}-"


def _open_to_all(top: Path) -> bool:
    """Whether anybody may enter every folder above and below, and read every file."""
    if any(not folder.stat().st_mode & stat.S_IXOTH for folder in (top, *top.parents)):
        return False
    below = [path.stat().st_mode for path in top.rglob("*")]
    return all(mode & stat.S_IROTH and (mode & stat.S_IXOTH or not stat.S_ISDIR(mode)) for mode in below)


def _copy(parts: Sequence[Path], base: Path, copy: Path) -> None:
    """Copy whole or not at all; two that do it at the same time do no harm."""
    COPIES.mkdir(mode=0o755, parents=True, exist_ok=True)
    COPIES.chmod(0o755)
    with tempfile.TemporaryDirectory(dir=COPIES) as unfinished:
        made = Path(unfinished) / "copy"
        for part in parts:
            shutil.copytree(part, made / part.relative_to(base))
        for path in (made, *made.rglob("*")):
            program = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if program else 0o644)
        try:
            made.rename(copy)
        except OSError:
            if not copy.exists():  # else the other one was quicker
                raise


def _running() -> Iterator[Path]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            yield Path(process.exe())
