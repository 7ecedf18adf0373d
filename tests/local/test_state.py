"""The folder of a local cluster: its owner's alone, and never one that holds other things."""

import stat
from pathlib import Path

import pytest

from common.errors import ConfigurationError
from local.cluster import Cluster
from local.environment import cluster_environment
from local.state import PREFERRED_PORTS, State


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


def test_data_of_others_are_refused(tmp_path: Path):
    """A folder that holds a server's data, but nothing of a cluster's own, is another's: it is never deleted."""
    (tmp_path / "postgres").mkdir()
    with pytest.raises(ConfigurationError, match="postgres"):
        State(tmp_path).prepare()


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"redis": 5}', '{"redis": ""}', "\x00", "[" * 100_000])
def test_lost_secrets_are_not_replaced(tmp_path: Path, content: str | None):
    """Without the secrets that the databases know, no new ones are made: the message names the file and the way out."""
    state = State(tmp_path / "state")
    state.prepare()
    state.secrets()
    (state.folder / "postgres").mkdir()
    (state.folder / "postgres" / "PG_VERSION").touch()
    (state.folder / "mark").touch()
    file = state.folder / "secrets.json"
    file.unlink() if content is None else file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"secrets\.json.*make clean"):
        state.secrets()
    Cluster(state, say=lambda _: None).clean()
    assert not state.folder.exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[1]", '{"supervisor": "9901"}', '{"supervisor": 0}', '{"airflow": 70000}']
)
def test_ports_that_cannot_be_read(tmp_path: Path, content: str):
    """Ports that are damaged are forgotten: the next start chooses others."""
    state = State(tmp_path)
    (state.folder / "ports.json").write_text(content, encoding="utf-8")
    assert state.ports() == {}
    (state.folder / "ports.json").write_text('{"supervisor": 9902}', encoding="utf-8")
    assert state.ports() == {**PREFERRED_PORTS, "supervisor": 9902}


def test_airflow_expands_nothing_in_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A person's variable that the folder's name mentions is left out; one that is needed is refused by a sentence."""
    monkeypatch.setenv("PIPELINE_TEST", "elsewhere")
    ports = dict.fromkeys(PREFERRED_PORTS, 1)
    for name in ("100%$ ${PIPELINE_TEST}", "$PIPELINE_TEST"):
        state = State(tmp_path / name)
        state.prepare()
        assert "PIPELINE_TEST" not in cluster_environment(state, ports, {})
    state = State(tmp_path / "$PATH")
    state.prepare()
    with pytest.raises(ConfigurationError, match="PATH"):
        cluster_environment(state, ports, {})


def test_later_start_asks_at_its_port(tmp_path: Path):
    """Where a start takes other ports than the one before, the API is asked at the new one: the old is another's."""
    cluster = Cluster(State(tmp_path / "state"), say=lambda _: None, person={})
    cluster._clear_the_way()
    before = cluster.api.url
    cluster._clear_the_way()  # the first one's ports are still held
    assert cluster.api.url == f"http://127.0.0.1:{cluster.ports['airflow']}" != before
