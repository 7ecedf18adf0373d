"""The state and latency of everything that the pipeline depends on. Spends no quota."""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import ceil
from typing import Final

from common.errors import ConfigurationError, PipelineError
from common.quota.results import Usage
from common.settings import DagSettings, NotificationSettings, PipelineSettings
from common.settings.pages import PageAddresses
from common.universe.listing_filter import ListingFilter
from workers.dag_health import check_dag, knows_airflow
from workers.page_health import page_checks
from workers.pipeline.environment import requested_symbols
from workers.pipeline.universe import chooses_from_list
from workers.wiring import Wiring

_TIME: Final = "%Y-%m-%d %H:%M:%S UTC"

Checks = Mapping[str, Callable[[], str]]


@dataclass(frozen=True)
class HealthCheck:
    """One dependency: whether it is well, how long it took to answer (s), and a sentence for a person."""

    name: str
    healthy: bool
    latency_s: float | None
    detail: str


def check_health() -> Iterator[HealthCheck]:
    """Check each dependency, whatever became of the ones before it.

    Without settings there is nothing else to check. The DAG is checked where Airflow's metadata database is known.
    """
    settings = _run("settings", _settings)
    yield settings
    yield _run("schedule", _schedule)
    if knows_airflow():
        yield _run("dag", check_dag)
    if settings.healthy:
        with Wiring.from_environment() as wiring:
            for name, check in _dependencies(wiring).items():
                yield _run(name, check)
    yield from _side_by_side(_pages())


def _pages() -> Checks:
    try:
        return page_checks(PageAddresses.from_environment())
    except ConfigurationError as error:
        return {"pages": partial(_fail, error)}


def _fail(error: PipelineError) -> str:
    raise error


def _side_by_side(checks: Checks) -> Iterator[HealthCheck]:
    """Check what may be away one beside the other, so that a silent one costs its time once."""
    with ThreadPoolExecutor(max(1, len(checks))) as pool:
        yield from pool.map(_run, checks, checks.values())


def _dependencies(wiring: Wiring) -> Checks:
    return {
        "database": lambda: _database(wiring),
        "migrations": lambda: _migrations(wiring),
        **({"listings": lambda: _listings(wiring)} if chooses_from_list(wiring) else {}),
        "redis": lambda: _redis(wiring),
        "limiter": lambda: _limiter(wiring),
        "api": lambda: _api(wiring),
        "messages": lambda: _messages(wiring),
    }


def _run(name: str, check: Callable[[], str]) -> HealthCheck:
    begun = time.monotonic()
    try:
        detail = check()
    except PipelineError as error:
        return HealthCheck(name, healthy=False, latency_s=None, detail=str(error))
    return HealthCheck(name, healthy=True, latency_s=time.monotonic() - begun, detail=detail)


def _settings() -> str:
    settings = PipelineSettings.from_environment()
    source = "the sandbox (no API key is set)" if settings.uses_sandbox else settings.base_url
    chosen = settings.stock_symbols
    symbols = f"the symbols of {chosen}" if isinstance(chosen, ListingFilter) else f"{len(chosen)} symbols"
    return f"{symbols}, quota {settings.quota}, quotes from {source}"


def _schedule() -> str:
    settings = DagSettings.from_environment()
    schedule = settings.stock_schedule
    return f"{schedule} ({settings.stock_timezone})" if schedule else "only when triggered"


def _database(wiring: Wiring) -> str:
    return f"{wiring.settings.market_database} on PostgreSQL {wiring.store.check().server_version}"


def _migrations(wiring: Wiring) -> str:
    health = wiring.store.check()
    health.require_head()
    return f"revision {health.revision}"


def _listings(wiring: Wiring) -> str:
    seen_at = wiring.store.listings.seen_at()
    if not seen_at:
        return "no list of companies yet: the next run fetches it"
    return f"{len(requested_symbols(wiring, None))} symbols, by the list of {seen_at:{_TIME}}"


def _redis(wiring: Wiring) -> str:
    wiring.permits.prepare()  # as each run does: neither a fresh installation nor a Redis that lost its data is ill
    health = wiring.limiter.check()
    kept = "append-only file on" if health.durable else "NOT durable: turn on its append-only file"
    return f"Redis {health.redis_version}, {kept}"


def _limiter(wiring: Wiring) -> str:
    return "; ".join(usage_lines(wiring.limiter.usage()))


def _api(wiring: Wiring) -> str:
    wiring.client.reachable()
    return f"{wiring.settings.base_url} can be reached"


def _messages(wiring: Wiring) -> str:
    """Say who is told of a red run, and what waits to be sent. Nothing is sent."""
    addresses = NotificationSettings.from_environment().addresses()
    if not addresses:
        return "nobody is told of a red run: ALERT_URLS is not set"
    count, since = wiring.store.notifications.waiting()
    waits = f"; {count} wait to be sent, the oldest since {since:{_TIME}}" if since else ""
    return f"to {', '.join(map(str, addresses))}{waits}"


def usage_lines(usage: Usage) -> Iterator[str]:
    """Yield the quota's use for a person: each window, when the next call can go, and who waits."""
    for window in usage.windows:
        yield f"{window.used} of {window.window} used"
    wait_s = max(0.0, (usage.next_at - usage.at).total_seconds())
    wait_s = ceil(wait_s * 10) / 10  # or a short one would read as none
    yield f"the next call can go in {wait_s:.1f} s ({usage.next_at:{_TIME}})" if wait_s else "the next call can go now"
    if usage.in_flight or usage.waiting or usage.deferred:
        yield f"{usage.in_flight} requests are out, {usage.waiting} wait in place, {usage.deferred} come back later"
    if usage.hold_until:
        yield f"held back until {usage.hold_until:{_TIME}}: {usage.held_by}"
