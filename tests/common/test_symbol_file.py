"""A universe of symbols in a file."""

import os
from pathlib import Path

import pytest

from common.errors import ConfigurationError
from common.settings import PipelineSettings
from common.symbol_file import CHECKOUT


def symbols(value: str) -> list[str]:
    return list(PipelineSettings.from_environment({"STOCK_SYMBOLS": value}).stock_symbols)


def test_lines_commas_and_comments(tmp_path: Path):
    """One or several symbols a line, each once, with comments, an empty line and a byte order mark."""
    file = tmp_path / "list"
    file.write_bytes(b"\xef\xbb\xbf# mine\nIBM, AAPL\r\n\n  msft # big\nIBM\n")
    assert symbols(f"@{file}") == ["IBM", "AAPL", "MSFT"]


def test_relative_path_begins_at_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Wherever a command is started, @FILE is the same file."""
    file = tmp_path / "list"
    file.write_text("TSCO.LON\n", encoding="utf-8")
    monkeypatch.chdir("/")
    assert symbols(f"@{os.path.relpath(file, CHECKOUT)}") == ["TSCO.LON"]


def test_a_bad_line_fails_alone(tmp_path: Path):
    """What can be no symbol is named by file and line, not by its text, which may be a secret; the others go on."""
    file = tmp_path / "list"
    file.write_text("IBM\nAAPL, hunter2/\u00e4 \n", encoding="utf-8")
    assert symbols(f"@{file}") == ["IBM", "AAPL", "line 2 of list"]


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("IBM\nPASSWORD_OF_MINE=hunter2\n", ", line 2 is a setting"),
        ("# ok\n\nexport API_KEY = hunter2\n", ", line 3 is a setting"),
        ("-----BEGIN\u00e4 hunter2\u00e4 KEY\u00e4-----", ", line 1: there is no stock symbol"),
        ("symbol,name,exchange\nA,hunter2 Technologies Inc,NYSE\n", " is a table"),
        ('\ufeff"Symbol";"Name"\nA;hunter2\n', " is a table"),
        ("# nothing", " holds no symbol"),
        ("", " holds no symbol"),
    ],
)
def test_what_is_no_list_is_named(tmp_path: Path, content: str, place: str):
    """The message has file and line, and no word of what stands there."""
    file = tmp_path / "list"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        symbols(f"@{file}")
    assert f"{file}{place}" in str(raised.value)
    assert "hunter2" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["/no/such/file", "/dev/zero", "/", "", "a\0b", "x" * 5000])
def test_missing_file_is_one_sentence(name: str):
    """A folder, a device, an impossible name: refused at once, with where a relative path begins."""
    with pytest.raises(ConfigurationError, match=r"^STOCK_SYMBOLS=@FILE cannot be used: ") as raised:
        symbols(f"@{name}")
    assert len(str(raised.value)) < 5500


def test_latin_1_is_named(tmp_path: Path):
    """A file in another encoding is a sentence."""
    file = tmp_path / "list"
    file.write_bytes(b"IBM # gr\xfc\xdfe\n")
    with pytest.raises(ConfigurationError, match="UTF-8"):
        symbols(f"@{file}")
