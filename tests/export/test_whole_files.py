"""A file is there whole or not at all, whatever ends its export."""

import signal
from contextlib import closing
from pathlib import Path

import pytest

from common.command_line import ExitCode
from common.export import Selection
from common.export.files import written_whole
from local.temporary import wait_until
from tests.support.exports import INSERT_MANY, exporting, ignore
from tests.support.rows import bar, save_bars

#: How many sessions of this database wait for a lock.
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_failed_export_leaves_nothing(exporter, store, market, tmp_path, kind):
    """What was there before stays with its manifest, and no part of a file is left."""
    if kind == "parquet":
        pytest.importorskip("pyarrow")
    save_bars(store, [bar()])
    path = tmp_path / f"bars.{kind}"
    exporter.to_file(Selection("price_history"), path, ignore)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(count: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        exporter.to_file(Selection("price_history"), path, full)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGINT, "x.csv"), (signal.SIGTERM, "x.parquet"), (signal.SIGHUP, "x.csv")]
)
def test_a_signal_leaves_nothing(market, exporter, tmp_path, number, name):
    """It ends an export that waits for PostgreSQL; no part of a file is left, and the one of before is as it was."""
    if name == "x.parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    exporter.to_file(Selection("price_history"), path, ignore)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with closing(market.connect(market.admin)) as blocker, blocker.cursor() as cursor:
        cursor.execute("BEGIN; LOCK daily_bars")
        with exporting(market, "--to", path) as process:
            wait_until(lambda: market.query(WAITING) == [(1,)], "the export waits")
            process.send_signal(number)
            said = process.stderr.read().decode()
    assert process.returncode == 128 + number
    assert said == ("interrupted\n" if number == signal.SIGINT else "")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_what_a_killed_one_left(exporter, store, tmp_path):
    """The next export of the name deletes it, and leaves what another one writes right now."""
    save_bars(store, [bar()])
    path = tmp_path / "bars[1].csv"
    (tmp_path / ".bars[1].csv.00c0ffee.partial").write_text("symbol,")
    with written_whole(path) as other:
        exporter.to_file(Selection("price_history"), path, ignore)
        assert [file.name for file in tmp_path.glob(".*")] == [Path(other.name).name]
    assert list(tmp_path.glob(".*")) == []


def test_a_reader_with_enough_rows(market, tmp_path):
    """``… --to - | head -1`` ends without a traceback."""
    market.query(INSERT_MANY)
    with exporting(market, "--to", "-") as process:
        assert process.stdout.readline().startswith(b"symbol,session,")
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait(60) == ExitCode.FAILED
    assert "Traceback" not in said
