"""A market database of twenty-five million daily bars, made within PostgreSQL in minutes and kept on disk.

``python -m benchmarks.big_market FOLDER`` makes it, or serves the one that is there until Ctrl-C. For other benchmarks
there is ``big_market``.
"""

import argparse
import re
import secrets
import signal
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import psycopg2
import requests
from psycopg2.extensions import connection as Connection
from pydantic import SecretStr

from benchmarks.clusters import progress
from common.adjust.rebuild import fill_factors
from common.datasets.daily_bars import DAILY_BARS
from common.datasets.dataset import Dataset
from common.datasets.quotes import QUOTES
from common.migrate import APP, OWNER, READER, migrate, provision
from common.settings import SANDBOX_API_KEY
from common.trading_calendar import NEW_YORK, known_sessions, latest_session
from common.values import Symbol
from local.ports import free_port
from local.server_user import as_server_user
from local.services import Postgres
from local.temporary import running, wait_until
from sandbox.running import running as running_sandbox

DATABASE: Final = "market"
#: Of 10,000 symbols 4,000 have twenty years of 252 sessions, the others a sixth of that on average: 25 million bars.
SYMBOLS: Final = 10_000
SESSIONS: Final = 5_040
#: How many symbols' bars one statement makes: their order is sorted in memory.
_AT_ONCE: Final = 250
_BODIES: Final = 50
_STEPS: Final = dict(
    part.split("\n", 1)
    for part in re.split(r"^-- name: ", Path(__file__).with_suffix(".sql").read_text("utf-8"), flags=re.MULTILINE)[1:]
)
#: There when the market was made to its end.
_COMPLETE: Final = "complete"
_PASSWORD: Final = "password"


@dataclass(frozen=True)
class BigMarket:
    """A running PostgreSQL with the market: 10,000 symbols, their quotes, actions, factors, ledger and raw replies."""

    postgres: Postgres

    def dsn(self, role: str = APP, database: str = DATABASE) -> SecretStr:
        """The database's address for the workers' role, or another one."""
        return SecretStr(f"postgresql://{role}:{self.postgres.password}@127.0.0.1:{self.postgres.port}/{database}")

    @property
    def reader(self) -> SecretStr:
        """The database's address for the role that reads."""
        return self.dsn(READER)

    def administrate(self, database: str = DATABASE) -> Connection:
        """Open a superuser's connection in which each statement is a transaction."""
        connection = psycopg2.connect(self.postgres.url(database))
        connection.autocommit = True
        return connection


@contextmanager
def big_market(folder: Path | None = None, *, symbols: int = SYMBOLS, sessions: int = SESSIONS) -> Iterator[BigMarket]:
    """Run the market that is kept in ``folder`` until the block ends; made first where it is not there.

    Without a folder it is made for this block alone. One that is kept has the size that it was made with, and is
    brought to the newest revision; what a benchmark adds to it, it takes away again. Takes some four minutes to make,
    and 6 GB.
    """
    if folder is None:
        with (
            tempfile.TemporaryDirectory(prefix="pipeline-big-market-") as name,
            big_market(Path(name), symbols=symbols, sessions=sessions) as market,
        ):
            yield market
        return
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # PostgreSQL's unprivileged user passes through
    if not (folder / _COMPLETE).exists():
        if (folder / "pg").exists():
            raise RuntimeError(
                f"the market in {folder} was not made to its end: delete the folder, or name another one."
            )
        with _served(folder, durable=False) as market:
            _make(market, symbols, sessions)
        (folder / _COMPLETE).touch()
    with _served(folder, durable=True) as market:
        yield market


@contextmanager
def _served(folder: Path, *, durable: bool) -> Iterator[BigMarket]:
    """Run the folder's PostgreSQL, its tables at the newest revision. Not ``durable``: it never waits for the disk."""
    server = Postgres(folder / "pg", free_port(), _password(folder), durable=durable)
    server.initialise()
    log = folder / "postgres.log"
    making = () if durable else ("-c", "max_wal_size=8GB")  # else it would checkpoint all the time
    with running([*server.command(), *making], log, folder=server.folder, user=as_server_user(), stop=signal.SIGINT):
        market = BigMarket(server)
        wait_until(lambda: _accepts(market), f"PostgreSQL answers ({log})", 120)  # it may have a log to recover from
        provide(market, DATABASE)
        yield market
        with closing(market.administrate()) as connection, connection.cursor() as cursor:
            cursor.execute("CHECKPOINT")  # now, because the end of the block waits for it ten seconds only


def _accepts(market: BigMarket) -> bool:
    market.administrate("postgres").close()
    return True


def provide(market: BigMarket, database: str) -> None:
    """Make a market database on its server, or bring it to the newest revision; all roles have one password."""
    password = SecretStr(market.postgres.password)
    provision(
        SecretStr(market.postgres.url()),
        owner_password=password,
        app_password=password,
        reader_password=password,
        databases=[database],
    )
    migrate(market.dsn(OWNER, database))


def _password(folder: Path) -> str:
    """Return the password that the folder's server was made with."""
    path = folder / _PASSWORD
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(8), encoding="utf-8")
    return path.read_text(encoding="utf-8")


def _make(market: BigMarket, symbols: int, sessions: int) -> None:
    """Fill the empty tables."""
    with closing(market.administrate()) as connection, connection.cursor() as cursor:

        def step(name: str, values: Mapping[str, object] | None = None) -> None:
            cursor.execute(_STEPS[name], values)

        cursor.execute("SET work_mem = '512MB'; SET maintenance_work_mem = '512MB'; SELECT setseed(0.5)")
        step("universe", {"symbols": symbols, "sessions": sessions})
        step("calendar", {"sessions": _sessions(sessions)})
        step("splits")
        for first in range(0, symbols, _AT_ONCE):
            step("bars", {"first": first, "before": first + _AT_ONCE})
        progress("bars: made")
        for name in ("dividends", "quotes", "listings", "ledger", "calls"):
            step(name)
            progress(f"{name}: made")
        for dataset in (QUOTES, DAILY_BARS):
            step("bodies", _bodies(dataset))
        step("replies")
        progress("replies: made")
        cursor.execute("ANALYZE")
        while fill_factors(cursor):
            pass
        progress("factors: made")
        cursor.execute("DELETE FROM quality_pending")  # as if the checks had looked at all of it
        cursor.execute("VACUUM (FREEZE, ANALYZE)")


def _sessions(count: int) -> list[date]:
    """Return New York's last ``count`` completed sessions."""
    newest = latest_session(Symbol("IBM"), datetime.now(UTC)).day
    return list(known_sessions(NEW_YORK, date(1999, 11, 1), newest))[-count:]


def _bodies(dataset: Dataset) -> dict[str, object]:
    """Ask the sandbox for some replies of a dataset, and compress them as ``raw_replies`` keeps them."""
    with running_sandbox("--quota", "100000/s") as sandbox, requests.Session() as session:
        asked = [dataset.request(Symbol(f"BODY{number}")) for number in range(_BODIES)]
        replies = [
            session.get(
                f"{sandbox.url}/query",
                params={"function": each.function, **each.params, "apikey": SANDBOX_API_KEY},
                timeout=30,
            )
            for each in asked
        ]
    return {
        "dataset": dataset.name,
        "function": asked[0].function,
        "sizes": [len(reply.content) for reply in replies],
        "bodies": [zlib.compress(reply.content) for reply in replies],
    }


def main() -> None:
    """Make the market of a folder, or serve the one that is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.big_market", description=__doc__)
    parser.add_argument("folder", type=Path, help="where it is kept")
    parser.add_argument("--make", action="store_true", help="end when it is made")
    options = parser.parse_args()
    with big_market(options.folder) as market:
        print(f"as its reader: {market.reader.get_secret_value()}", flush=True)
        if not options.make:
            signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
