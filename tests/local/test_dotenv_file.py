"""A person's .env: read as Compose reads it, and what is wrong in it said with file and line."""

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigurationError
from local.dotenv_file import read_dotenv


def read(folder: Path, content: str | bytes) -> dict[str, str]:
    path = folder / ".env"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_dotenv(path)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("A=1\nthis is no line\nB=2\n", 2),
        ("A='open\n", 1),
        ('A=1\n\nB="open\nC=2\n', 3),
        ("A='it's'\n", 1),
        (b"A=1\nB=caf\xe9\n", 2),
        ("A=1\n".encode("utf-16"), 1),
        (b"A=1\nB=x\0y\n", 2),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, content: str | bytes, line: int):
    """File and line are named, the line itself is not shown: it may hold a password."""
    with pytest.raises(ConfigurationError, match=rf"\.env, line {line}:") as refused:
        read(tmp_path, content)
    assert "open" not in str(refused.value).replace(str(tmp_path), "")
    assert "caf" not in str(refused.value)


def test_a_file_that_cannot_be_read(tmp_path: Path):
    """A folder in its place is a sentence; no file at all is no settings."""
    assert read_dotenv(tmp_path / "none") == {}
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_dotenv(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="is a pipe"):
        read_dotenv(tmp_path / "pipe")


def test_values_read_as_compose_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Quotes, comments, a mark of the editor's; a variable is replaced, in single quotes not."""
    monkeypatch.setenv("THERE", "there")
    content = "\ufeffA=a b # c\nB='${THERE} $x #1'\nC=\"${THERE}\"\nexport D=$x\nE=\n"
    assert read(tmp_path, content) == {"A": "a b", "B": "${THERE} $x #1", "C": "there", "D": "$x", "E": ""}


@given(st.binary(max_size=60))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes):
    """Whatever stands in it: settings, or the one error."""
    with contextlib.suppress(ConfigurationError):
        read(tmp_path_factory.getbasetemp(), content)
