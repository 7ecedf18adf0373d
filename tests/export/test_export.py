"""Exports: rows as they are stored, in a file that is whole or not there, with a manifest that says what it is."""

import csv
import hashlib
import io
import json
import sys
import tracemalloc
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from common.command_line import ExitCode
from common.database.migrations import HEAD
from common.errors import NotExportable, StoreNotReady
from common.export import Exporter, Selection
from common.store import Store
from common.values import Symbol
from tests.support.actions import split
from tests.support.exports import INSERT_MANY, ignore
from tests.support.market import Market
from tests.support.rows import MONDAY, NOON, bar, quote, save_bars, save_quotes
from workers.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
FRIDAY = date(2026, 10, 2)
#: From noon to the end of New York's day, in seconds.
EVENING = 9 * 3600
INSERT_REPLY = """
INSERT INTO raw_replies (dataset, function, params, received_at, last_seen_at, sha256, size, body)
VALUES ('quotes', 'GLOBAL_QUOTE', '{"symbol": "IBM"}', now(), now(), sha256('x'), 1, 'x')
"""


@pytest.fixture
def command(market: Market, monkeypatch: pytest.MonkeyPatch, capfd) -> Callable[..., tuple[int, str, str]]:
    """The command line: its exit code and what it prints."""
    monkeypatch.setenv("MARKET_DATABASE_URL", market.dsn().get_secret_value())

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["export", *map(str, arguments)])
        sys.stdout.flush()
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def test_a_csv_file_holds_the_rows(exporter, store, tmp_path):
    """A heading, one line a row in the order of the key, numbers with all their digits, nothing for null."""
    save_bars(store, [bar("IBM"), bar("AAPL", session=FRIDAY), bar("AAPL")])
    exporter.to_file(Selection("daily_bars"), tmp_path / "bars.csv", ignore)
    rows = read_csv(tmp_path / "bars.csv")
    assert [(row["symbol"], row["session"]) for row in rows] == [
        ("AAPL", "2026-10-02"), ("AAPL", "2026-10-05"), ("IBM", "2026-10-05"),
    ]  # fmt: skip
    assert (rows[0]["high_price"], rows[0]["volume"], rows[0]["adjusted_close"]) == ("222.880000", "6318079", "")


def test_every_relation_can_be_exported(exporter, store, market, tmp_path):
    """Each table and view goes into both formats, whatever the types of its columns."""
    pytest.importorskip("pyarrow")
    save_quotes(store, [quote()])
    save_bars(store, [bar()])
    save_actions(store)
    market.query(INSERT_REPLY)
    with pytest.raises(NotExportable) as refused:
        exporter.to_file(Selection("nosuch"), tmp_path / "x.csv", ignore)
    names = str(refused.value).partition("there are: ")[2].rstrip(".").split(", ")
    assert {"daily_bars", "raw_replies", "latest_quotes", "total_return_bars"} < set(names)
    for name in names:
        counts = {exporter.to_file(Selection(name), tmp_path / f"x.{kind}", ignore).rows for kind in ("csv", "parquet")}
        assert counts == set(market.query(f"SELECT count(*) FROM {name}")[0])


def save_actions(store: Store) -> None:
    from common.datasets.corporate_actions import ACTIONS

    store.save({ACTIONS: [split(MONDAY, 2)]})


def test_rows_are_never_all_in_memory(exporter, market, tmp_path):
    """Of 120,000 rows CSV holds a chunk at a time and Parquet one row group."""
    parquet = pytest.importorskip("pyarrow.parquet")
    market.query(INSERT_MANY)
    tracemalloc.start()
    try:
        assert exporter.to_file(Selection("price_history"), tmp_path / "bars.csv", ignore).rows == 120_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    told: list[int] = []
    assert exporter.to_file(Selection("price_history"), tmp_path / "bars.parquet", told.append).rows == 120_000
    assert told == [100_000, 120_000]
    metadata = parquet.ParquetFile(tmp_path / "bars.parquet").metadata
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert groups == [100_000, 20_000]


def test_equal_rows_make_equal_files(exporter, store, tmp_path):
    """Two exports of one state have one digest, and the manifest has the digest that others compute."""
    save_bars(store, [bar("IBM"), bar("AAPL")])
    first = exporter.to_file(Selection("price_history"), tmp_path / "a.csv", ignore)
    second = exporter.to_file(Selection("price_history"), tmp_path / "b.csv", ignore)
    assert first.sha256 == second.sha256 == hashlib.sha256((tmp_path / "a.csv").read_bytes()).hexdigest()


def test_the_manifest_says_what_it_is(exporter, store, tmp_path):
    """Rows, bytes, digest, time, revision, whether invented, what was chosen, and each column."""
    save_bars(store, [bar()])
    path = tmp_path / "bars.csv"
    chosen = Selection("price_history", (Symbol("IBM"), Symbol("NONE")), FRIDAY, MONDAY)
    exporter.to_file(chosen, path, ignore)
    manifest = json.loads((tmp_path / "bars.csv.manifest.json").read_text("utf-8"))
    assert manifest["file"] == "bars.csv"
    assert (manifest["rows"], manifest["bytes"]) == (1, path.stat().st_size)
    assert (manifest["revision"], manifest["invented"]) == (HEAD, True)
    assert manifest["selection"] == {
        "relation": "price_history", "symbols": ["IBM", "NONE"], "first": "2026-10-02", "last": "2026-10-05",
        "as_of": None,
    }  # fmt: skip
    assert manifest["symbols_without_rows"] == ["NONE"]
    assert [column["name"] for column in manifest["columns"]] == next(csv.reader([path.read_text().splitlines()[0]]))


def test_symbols_and_days_choose_rows(exporter, store):
    """Both bounds are included; a symbol is taken as it is written, whatever is in it."""
    odd = "A'B"
    save_bars(store, [bar(name, session=day) for name in (odd, "IBM") for day in (FRIDAY, MONDAY)])
    assert exported(exporter, Selection("price_history", (Symbol(odd),))) == [(odd, "2026-10-02"), (odd, "2026-10-05")]
    assert exported(exporter, Selection("price_history", first=MONDAY)) == [(odd, "2026-10-05"), ("IBM", "2026-10-05")]
    assert exported(exporter, Selection("price_history", (Symbol("IBM"),), last=FRIDAY)) == [("IBM", "2026-10-02")]


def exported(exporter: Exporter, selection: Selection) -> list[tuple[str, ...]]:
    stream = io.BytesIO()
    exporter.to_stream(selection, stream, ignore)
    return [tuple(row[:2]) for row in csv.reader(stream.getvalue().decode().splitlines()[1:])]


def test_bars_as_they_stood(exporter, store, market):
    """``as_of`` shows the values from before a restatement."""
    save_bars(store, [bar()])
    ((before,),) = market.query("SELECT clock_timestamp()")
    save_bars(store, [bar(volume=7)])
    stream = io.BytesIO()
    exporter.to_stream(Selection("price_history", as_of=before), stream, ignore)
    assert stream.getvalue().decode().splitlines()[1].endswith(",6318079")


def test_quotes_as_they_stood(exporter, store, market):
    """``as_of`` shows the newest quotes as they were before a restatement."""
    save_quotes(store, [quote(seconds=EVENING)])
    ((before,),) = market.query("SELECT clock_timestamp()")
    save_quotes(store, [quote(seconds=2 * EVENING, volume=7_000_000)])
    stream = io.BytesIO()
    exporter.to_stream(Selection("latest_quotes", as_of=before), stream, ignore)
    assert ",6318079," in stream.getvalue().decode().splitlines()[1]


def test_all_of_it_is_one_snapshot(exporter, store, market):
    """What is stored while an export is read is in none of it."""
    market.query(INSERT_MANY)
    stream = WritingMeanwhile(market)
    assert exporter.to_stream(Selection("price_history"), stream, ignore) == 120_000
    assert stream.written
    assert market.query("SELECT count(*) FROM price_history") == [(120_001,)]


class WritingMeanwhile(io.RawIOBase):
    """A stream at whose first bytes somebody stores the row that comes last."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.written = False

    def write(self, data: object) -> int:
        if not self.written:
            self.written = True
            self._market.query("INSERT INTO daily_bars VALUES ('Z', '2026-10-05', 9, 9, 9, 9, 1)")
        return len(bytes(data))


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection("nosuch"), "there is no table or view 'nosuch'; there are: adjusted_history, "),
        (Selection("alembic_version"), "there is no table or view"),
        (Selection("pg_class"), "there is no table or view"),
        (Selection("refused_features", (Symbol("IBM"),)), "has no symbols to choose from: leave out --symbols"),
        (Selection("listings", first=MONDAY), "has no trading day: leave out --from"),
        (Selection("stock_quotes", as_of=NOON), "--as-of goes with latest_quotes and price_history alone"),
    ],
)
def test_what_cannot_be_exported(exporter, tmp_path, selection, said):
    """The sentence names what is wrong and what there is; no file is made."""
    with pytest.raises(NotExportable, match=said):
        exporter.to_file(selection, tmp_path / "x.csv", ignore)
    assert list(tmp_path.iterdir()) == []


def test_a_schema_of_another_version(exporter, market, tmp_path):
    """No file is made from tables that this version does not know."""
    market.query("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(StoreNotReady, match="migrate"):
        exporter.to_file(Selection("price_history"), tmp_path / "x.csv", ignore)


def test_the_command_tells_what_it_wrote(command, store, tmp_path):
    """A line with the figures and the file, whose prices they are, and each symbol that has no rows."""
    save_quotes(store, [quote()])
    code, out, err = command("latest_quotes", "--to", tmp_path / "q.csv", "--symbols", "ibm,NONE")
    assert (code, err) == (ExitCode.DONE, "no rows of NONE\n")
    assert out.startswith("1 row of latest_quotes: q.csv, 2")
    assert "invented by the sandbox" in out
    code, out, _ = command("latest_quotes", "--to", tmp_path / "q.csv", "--json")
    assert (code, json.loads(out)["rows"]) == (ExitCode.DONE, 1)
    assert json.loads(out) == json.loads((tmp_path / "q.csv.manifest.json").read_text("utf-8"))


def test_standard_output_gets_rows_alone(command, store):
    """``--to -`` prints CSV and nothing else, the rest goes to standard error."""
    save_quotes(store, [quote()])
    code, out, err = command("latest_quotes", "--to", "-")
    assert (code, [line.partition(",")[0] for line in out.splitlines()]) == (ExitCode.DONE, ["symbol", "IBM"])
    assert err == "invented by the sandbox: ALPHA_VANTAGE_API_KEY is not set\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nosuch", "--to", "x.csv"], ExitCode.USAGE, "not_exportable: there is no table or view 'nosuch'"),
        (["latest_quotes", "--to", "x.xlsx"], ExitCode.USAGE, "let the name end with .csv or .parquet"),
        (["latest_quotes", "--to", "-", "--json"], ExitCode.USAGE, "--json goes with a file"),
        (["latest_quotes", "--to", "no/x.csv"], ExitCode.FAILED, "no/x.csv cannot be written: No such file"),
        (["price_history", "--to", "x.csv", "--from", "2026-10-05", "--to-date", "2026-10-02"], ExitCode.USAGE, "turn"),
    ],
)
@pytest.mark.usefixtures("in_its_folder")
def test_what_a_person_gets_wrong(command, arguments, code, said):
    """The exit code tells wrong usage from a failure, and the sentence what to do."""
    ended, _, err = command(*arguments)
    assert ended == code
    assert said in err
