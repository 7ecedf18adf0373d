"""The market database: what became of the symbols, what waits for a person, and the server's sessions."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from prometheus_client.core import GaugeMetricFamily
from pydantic import SecretStr

from common.datasets import NAMES
from common.values import OutcomeStatus
from monitoring.metrics import by_label, gauge
from monitoring.sources.source import Database, timestamp

#: What a gap can be, as the table's CHECK has it.
GAP_STATES: Final = ("open", "absent", "repaired", "before_listing", "delisted")
#: What a finding can be, same.
SEVERITIES: Final = ("error", "warning")
#: What a symbol that is up to date, or still in work, says in the ledger.
_NOT_STALE: Final = frozenset({OutcomeStatus.STORED, OutcomeStatus.SKIPPED, OutcomeStatus.PLANNED})


class MarketSource:
    """The market database. ``latest_runs`` tells the run of each feed, which Airflow's metadata know."""

    name = "market"

    def __init__(self, dsn: SecretStr, database: str, latest_runs: Callable[[], Mapping[str, str]]) -> None:
        self._database = Database(dsn, "MARKET_DATABASE_URL")
        self._name = database
        self._latest_runs = latest_runs

    def read(self) -> Iterator[GaugeMetricFamily]:
        """Yield what the database says now."""
        feeds = {run: feed for feed, run in self._latest_runs().items()}
        symbols, successes, session, refused, gaps, findings, rows, sizes, sessions, most = self._database.ask(
            ("run_symbols", {"runs": list(feeds)}),
            ("last_successes", {"datasets": list(NAMES)}),
            ("newest_session", {}),
            ("quarantine_waiting", {}),
            ("gap_states", {}),
            ("open_findings", {}),
            ("table_rows", {}),
            ("database_sizes", {"databases": [self._name, "airflow"]}),
            ("sessions", {}),
            ("max_connections", {}),
        )
        yield from _of_symbols((feeds[run], status, reason, count) for run, status, reason, count in symbols)
        yield gauge(
            "pipeline_last_success_timestamp_seconds", by_label((name, timestamp(at)) for name, at in successes if at)
        )
        if session[0][0]:
            yield gauge("pipeline_newest_session_timestamp_seconds", timestamp(session[0][0]))
        yield gauge("pipeline_quarantine_waiting", by_label(refused))
        yield gauge("pipeline_gaps", by_label({**dict.fromkeys(GAP_STATES, 0), **dict(gaps)}.items()))
        yield gauge("pipeline_quality_findings", by_label({**dict.fromkeys(SEVERITIES, 0), **dict(findings)}.items()))
        yield gauge("pipeline_table_rows", by_label(rows))
        yield gauge("pipeline_database_size_bytes", by_label(sizes))
        yield gauge("postgres_sessions", by_label(sessions))
        yield gauge("postgres_max_connections", most[0][0])

    def close(self) -> None:
        """Close the connection."""
        self._database.close()


def _of_symbols(lines: Iterator[tuple[Any, ...]]) -> Iterator[GaugeMetricFamily]:
    counts: dict[Sequence[str], float] = {(feed, status, reason): count for feed, status, reason, count in lines}
    total, stale = defaultdict[str, float](float), defaultdict[str, float](float)
    for (feed, status, _), count in counts.items():
        total[feed] += count
        stale[feed] += 0 if status in _NOT_STALE else count
    yield gauge("pipeline_last_run_symbols", counts)
    yield gauge("pipeline_symbols", by_label(total.items()))
    yield gauge("pipeline_symbols_stale", by_label(stale.items()))
