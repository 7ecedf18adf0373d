"""The folder of a local cluster: its owner's alone, and never one that holds other things."""

import stat
from pathlib import Path

import pytest

from common.errors import ConfigurationError
from local.program_environment import without_expansions
from local.state import State


def test_only_its_owner_enters_the_folder(tmp_path: Path):
    """A new folder, and one that an earlier version had left open, are closed to others."""
    folder = tmp_path / "state"
    for _ in range(2):
        State(folder).prepare()
        assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())} == {0o700}
        folder.chmod(0o755)


def test_a_folder_of_others_is_refused(tmp_path: Path):
    """A folder with a person's files is no cluster's: it is neither closed nor deleted later."""
    (tmp_path / "thesis.odt").touch()
    before = tmp_path.stat().st_mode
    with pytest.raises(ConfigurationError, match=r"thesis\.odt"):
        State(tmp_path).prepare()
    assert tmp_path.stat().st_mode == before


def test_airflow_expands_nothing_in_a_path():
    """A variable that the folder's name mentions is left out; one that is needed is refused by a sentence."""
    environment = {"HOME": "/root", "PATH": "/bin", "USER": "me"}
    assert without_expansions(environment, Path("/a $HOME/${USER} 100%$")) == {"PATH": "/bin"}
    with pytest.raises(ConfigurationError, match="rename"):
        without_expansions(environment, Path("/$PATH"))
