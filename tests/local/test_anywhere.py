"""PostgreSQL starts wherever the checkout is, and no folder of a person is opened for it."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local import server_user, services
from local.ports import free_port
from local.services import Postgres, ServiceMissing, find_postgres
from tests.support.servers import serving

NASTY = 'my "stocks" (2) 100% $HOME #1; Müll\'s \\ {x} [y]'
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs as another user")


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that only its owner may enter; copies of programs are made in another one."""
    folder = tmp_path / "private" / NASTY
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    copies = Path("/var/tmp") / f"pipeline-{secrets.token_hex(6)}"
    monkeypatch.setattr(server_user, "COPIES", copies)
    yield folder
    shutil.rmtree(copies, ignore_errors=True)


def server_in(folder: Path) -> Postgres:
    server = Postgres(folder / "postgres", free_port(), secrets.token_hex(8), durable=False)
    server.initialise()
    return server


def test_postgres_runs_below_private_folder(private: Path):
    """The data is where only the owner may go, the server works twice, and no folder's rights have changed."""
    before = {path: path.stat().st_mode for path in private.parents}
    server = server_in(private)
    for _ in range(2):
        with serving(server) as pid:
            assert psutil.Process(pid).username() == (server_user.server_user() or psutil.Process().username())
    assert {path: path.stat().st_mode for path in private.parents} == before
    assert stat.S_IMODE(server.folder.stat().st_mode) == 0o700


@as_root
def test_programs_only_root_reaches_are_copied(private: Path, monkeypatch: pytest.MonkeyPatch):
    """Programs below root's private folder, unreadable to others too, are copied once; cleaning removes the copy."""
    old = os.umask(0o077)
    try:
        programs = private_copy(find_postgres(), private / "packages")
        monkeypatch.setattr(services, "find_postgres", lambda: programs)
        with serving(server_in(private)) as pid:
            program = Path(psutil.Process(pid).exe())
            assert program.is_relative_to(server_user.COPIES)
            server_user.remove_copies(programs)
            assert program.exists()
        server_user.remove_copies(programs)
        assert not server_user.COPIES.exists()
    finally:
        os.umask(old)


def private_copy(programs: Path, target: Path) -> Path:
    """Copy the installation and its libraries, readable by their owner only; return the copy's programs."""
    packages = programs.parents[2]
    for part in (programs.parent, packages / f"{programs.parents[1].name}.libs"):
        shutil.copytree(part, target / part.relative_to(packages), copy_function=shutil.copyfile)
    copied = target / programs.relative_to(packages)
    for path in copied.iterdir():
        path.chmod(0o700)
    return copied


@as_root
def test_failed_copy_is_one_sentence(private: Path, monkeypatch: pytest.MonkeyPatch):
    """Where the programs cannot be copied the message says why and what to do."""
    programs = private / "package" / "installed" / "bin"
    programs.mkdir(parents=True)
    (programs / "postgres").touch()
    server_user.COPIES.touch()
    with pytest.raises(RuntimeError, match="ordinary user") as error:
        server_user.reachable(programs)
    assert "\n" not in str(error.value)
    server_user.COPIES.unlink()


def test_programs_in_a_very_long_path(private: Path, monkeypatch: pytest.MonkeyPatch):
    """PostgreSQL cannot find itself in more than 1023 characters: root's is copied, anybody else's is a sentence."""
    folder = private.joinpath(*["a long name " * 16] * 6)
    programs = private_copy(find_postgres(), folder / "packages")
    assert len(os.fsencode(programs / "postgres")) > 1023
    monkeypatch.setattr(services, "find_postgres", lambda: programs)
    if server_user.server_user():
        with serving(server_in(private)) as pid:
            assert Path(psutil.Process(pid).exe()).is_relative_to(server_user.COPIES)
    monkeypatch.setattr(server_user, "server_user", lambda: None)
    with pytest.raises(RuntimeError, match=r"1023 characters.* shorter path") as error:
        services.server_programs()
    assert "\n" not in str(error.value)


def test_killed_initialisation_is_done_again(private: Path):
    """What an initdb left half done is no data folder: the next start makes a whole one."""
    half = private / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n", encoding="utf-8")
    with serving(server_in(private)):
        assert not half.exists()


def test_missing_redis_names_the_package(private: Path, monkeypatch: pytest.MonkeyPatch):
    """Where neither a wheel nor the PATH has a Redis server, the message says what to install."""
    monkeypatch.setenv("PATH", str(private))
    monkeypatch.setattr(services, "_package_folder", lambda name: None)
    with pytest.raises(ServiceMissing, match=r"Debian: apt install redis-server") as error:
        services.find_redis()
    assert "\n" not in str(error.value)
