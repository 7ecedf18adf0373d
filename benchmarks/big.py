"""Twenty-five million daily bars in plain tables: reads, a day's run, its upkeep, and what all of it takes on disk."""

from contextlib import closing
from pathlib import Path
from typing import Final

from benchmarks.big_day import after_runs
from benchmarks.big_market import BigMarket, big_market
from benchmarks.big_reads import reads
from benchmarks.big_upkeep import retention
from benchmarks.big_writes import Days, upserts
from benchmarks.clusters import progress
from benchmarks.tables import Table

#: What --quick makes of it: fifty thousand bars.
_FEW: Final = {"symbols": 100, "sessions": 1_000}
_SIZES: Final = """
SELECT
    relname, reltuples::bigint, pg_table_size(oid) / 1e6, pg_indexes_size(oid) / 1e6,
    pg_total_relation_size(oid) / reltuples
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples > 0
ORDER BY pg_total_relation_size(oid) DESC
"""


def run(*, quick: bool = False, long: bool = False, keep: Path | None = None) -> list[Table]:
    """Make the market, or take the one that is kept in the folder; measure it, and leave it as it was.

    ``long``: let all checks go over all bars once, too.
    """
    size, times, rows = (_FEW, {"times": 2}, {"rows": 2_000, "alone": 2}) if quick else ({}, {}, {})
    with (
        big_market(keep, **size) as market,
        closing(market.administrate()) as connection,
        connection.cursor() as cursor,
    ):
        tables = [_sizes(market), *reads(market, **times)]
        progress("reads: done")
        days = Days(market, cursor)
        try:
            tables += [upserts(market, days, **times), *retention(market, days, cursor, **rows)]
        finally:
            days.undo()
        tables += after_runs(market, days, cursor, long=long, **times)
    return tables


def _sizes(market: BigMarket) -> Table:
    with closing(market.administrate()) as connection, connection.cursor() as cursor:
        cursor.execute(_SIZES)
        rows = [(name, rows, float(own), float(indexes), float(each)) for name, rows, own, indexes, each in cursor]
    return Table("On disk", ("table", "rows", "rows and TOAST (MB)", "indexes (MB)", "bytes a row"), rows, _DISK)


_DISK: Final = (
    "Indexes included in the bytes of a row. A month of ledger and replies, a day of calls, 63 sessions of quotes."
)
