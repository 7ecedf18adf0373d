"""The sandbox's log and its settings."""

import json
from datetime import date

import pytest

from sandbox.options import Options, read_options
from sandbox.request_log import RequestLog, digest, read_log

KEY = "MARKED-KEY-0123456789"


def fill(log: RequestLog, count: int) -> None:
    for number in range(count):
        log.add(
            float(number),
            1e9 + number,
            key=KEY,
            function="GLOBAL_QUOTE",
            symbol=f"S{number}",
            verdict="served",
            counted=True,
        )


def test_entries_are_read_page_by_page():
    """Entries are numbered from 1; since and limit page through them."""
    log = RequestLog()
    fill(log, 5)
    assert [entry.id for entry in log.since()] == [1, 2, 3, 4, 5]
    assert [entry.symbol for entry in log.since(3)] == ["S3", "S4"]
    assert [entry.id for entry in log.since(1, 2)] == [2, 3]
    assert log.since(5) == []


def test_bounded_memory_counts_what_it_drops():
    """The newest entries stay; the numbers go on after the log was emptied."""
    log = RequestLog(capacity=3)
    fill(log, 5)
    assert ([entry.id for entry in log.since()], log.dropped) == ([3, 4, 5], 2)
    assert [entry.id for entry in log.since(1)] == [3, 4, 5]
    log.forget()
    assert (log.since(), log.dropped) == ([], 5)
    fill(log, 1)
    assert [entry.id for entry in log.since(5)] == [6]


def test_file_holds_everything_and_never_key(tmp_path):
    """Each line is an entry, beyond what memory holds, appended after what stood there; no line holds the key."""
    path = tmp_path / "log.jsonl"
    for _ in range(2):
        log = RequestLog(path, capacity=2)
        fill(log, 4)
        log.close()
    text = path.read_text()
    assert KEY not in text
    assert [entry.id for entry in read_log(text.splitlines())] == [1, 2, 3, 4] * 2
    assert json.loads(text.splitlines()[0])["key"] == digest(KEY)


def test_digest_tells_keys_apart():
    """The digest is short, stable, and empty for a missing key."""
    assert digest("a") != digest("b")
    assert digest("a") == digest("a")
    assert len(digest(KEY)) == 12
    assert digest("") == ""
    assert digest("\ud800") != ""


def test_command_line_overrides_environment():
    """An option wins over its variable, a variable over the default, an empty variable counts as not set."""
    environment = {"SANDBOX_PORT": "99", "SANDBOX_PLAN": "premium75", "SANDBOX_TODAY": "2026-10-05", "SANDBOX_SEED": ""}
    options = read_options(["--port", "0", "--day-length", "60"], environment)
    assert options == Options(port=0, plan="premium75", today=date(2026, 10, 5), day_length=60)
    assert read_options([], {}) == Options()
    assert Options().build_plan().quota == "1/s,25/day"


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--plan", "gold"], {}, "'gold' is not a plan"),
        ([], {"SANDBOX_QUOTA": "often"}, "'often' is not a quota window"),
        (["--refused", "maybe"], {}, "'maybe' is neither counted nor uncounted"),
        (["--day-length", "0"], {}, "--day-length above 0"),
        (["--port", "70000"], {}, "--port is 0 to 65535"),
        (["--today", "yesterday"], {}, "invalid"),
        ([], {"SANDBOX_PORT": "many"}, "invalid"),
    ],
)
def test_malformed_option_ends_with_message(arguments, environment, message, capsys):
    """The exit status is 2 and the message names the value."""
    with pytest.raises(SystemExit) as ended:
        read_options(arguments, environment)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_the_help_names_every_option(capsys):
    """--help lists all options and how to set them by the environment."""
    with pytest.raises(SystemExit):
        read_options(["--help"], {})
    text = capsys.readouterr().out
    assert all(f"--{name.replace('_', '-')}" in text for name in Options.__dataclass_fields__)
    assert "SANDBOX_PLAN" in text
