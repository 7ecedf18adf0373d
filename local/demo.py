"""Trigger the pipeline, watch it, and show what it stored."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeVar

import kombu.exceptions
import requests
from rich.console import Console
from rich.table import Table
from rich.text import Text
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential

from common.datasets import daily_bars
from common.errors import Retryable
from common.quota.limiter import Limiter
from common.store import Store
from common.values import Outcome, OutcomeStatus, Quote, Symbol, parse_symbols
from local.airflow_api import AirflowRefused, new_run_id
from local.cluster import ADMIN, Cluster
from local.terminal import foreign, percent, price
from workers.dag_health import DAG_ID
from workers.pipeline.feeds import DAGS, FIRST, HISTORY, run_name
from workers.wiring import Wiring

T = TypeVar("T")

_ENDED: Final = frozenset({"success", "failed"})
#: How long a run is queued when nothing is ahead of it (s), generously.
_PATIENCE_S: Final = 5
#: How long Airflow or a database may be away (s): a restart takes half a minute on a busy machine.
_OUTAGE_S: Final = 180
#: How long it may take (s) until a run of bars begins after the quotes' run, generously: a loop of the scheduler.
_FOLLOWS_S: Final = 60
#: How many symbols the table shows, and how many a line names: a screen of ten thousand lines helps nobody.
_SHOWN: Final = 300
_NAMED: Final = 10
_COLOURS: Final = {
    OutcomeStatus.STORED: "green",
    OutcomeStatus.SKIPPED: "cyan",
    OutcomeStatus.POSTPONED: "yellow",
    OutcomeStatus.STALE: "yellow",
}


@dataclass(frozen=True)
class Shown:
    """A run that has ended: its state, ``success`` or ``failed``, what became of each symbol, and what is stored."""

    run_id: str
    state: str
    outcomes: Sequence[Outcome]
    quotes: Sequence[Quote]


def trigger(cluster: Cluster, symbols: Sequence[str], screen: Console, *, force: bool) -> str:
    """Trigger a run over Airflow's REST API; return its id."""
    conf: dict[str, object] = {"force": force}
    if symbols:
        conf["symbols"] = [str(symbol) for symbol in parse_symbols(symbols)]
    run_id = new_run_id()  # ours, so that a try whose answer got lost can be repeated
    return _outlasting(lambda: cluster.api.trigger(conf, run_id=run_id), cluster, screen)


def watch(cluster: Cluster, run_id: str, screen: Console, *, feed: str = FIRST, timeout_s: float = 3600) -> str:
    """Show the progress of a feed's run until it ends; return its state, ``success`` or ``failed``."""
    begun, name = time.monotonic(), run_name(feed, run_id)
    shown = ""
    with Store(cluster.settings.market_dsn) as store, screen.status(Text("waiting for the run to start")) as status:
        while time.monotonic() - begun < timeout_s:
            state = _outlasting(lambda: cluster.api.run_state(run_id, DAGS[feed]), cluster, screen)
            outcomes = _outlasting(lambda: store.ledger.outcomes(name), cluster, screen)
            text = f"{state}: {_progress(outcomes)}"
            if state == "queued" and time.monotonic() - begun > _PATIENCE_S:
                text = "queued: an earlier run is not over yet, and one runs at a time"
            status.update(Text(text))
            if text != shown and not screen.is_terminal:
                screen.print(f"  {text}")
            shown = text
            if state in _ENDED:
                return state
            time.sleep(0.5)
    raise TimeoutError(f"the run {run_id} has not ended after {timeout_s:.0f} s: see it at {cluster.api.url}")


def watch_history(cluster: Cluster, known: Collection[str], screen: Console) -> None:
    """Show the run of daily bars that follows the quotes, the first one that is not ``known``, and what it brought."""
    screen.print(f"{DAGS[HISTORY]} follows …")
    run_id = _next_run(cluster, known, screen)
    if run_id is None:
        screen.print(f"it has not begun within {_FOLLOWS_S} s: `make logs PROCESS=scheduler` may say why")
        return
    state = watch(cluster, run_id, screen, feed=HISTORY)
    with Wiring(cluster.settings) as wiring:
        outcomes = wiring.store.ledger.outcomes(run_name(HISTORY, run_id))
        days = wiring.store.latest_sessions([outcome.symbol for outcome in outcomes], [daily_bars.TABLE])
    reach = f", up to {max(days.values())}" if days else ""
    screen.print(f"daily bars: {_progress(outcomes)}{reach}; run {run_id}: ", _coloured(state), sep="")


def _next_run(cluster: Cluster, known: Collection[str], screen: Console) -> str | None:
    deadline = time.monotonic() + _FOLLOWS_S
    while time.monotonic() < deadline:
        for run_id in _outlasting(lambda: cluster.api.runs(DAGS[HISTORY]), cluster, screen):
            if run_id not in known:
                return run_id
        time.sleep(0.5)
    return None


def _coloured(state: str) -> Text:
    return Text(state, "green" if state == "success" else "red")


def _outlasting(ask: Callable[[], T], cluster: Cluster, screen: Console) -> T:
    """Ask until there is an answer, for a while: Airflow or a database may be restarting."""

    def say(attempt: RetryCallState) -> None:
        if attempt.attempt_number == 1 and attempt.outcome:
            screen.print(foreign(f"  waiting up to {_OUTAGE_S} s for an answer: {_away(attempt.outcome.exception())}"))

    retrying = Retrying(
        retry=retry_if_exception(lambda error: _is_outage(error) and cluster.running),
        wait=wait_exponential(multiplier=0.5, max=5),
        stop=stop_after_delay(_OUTAGE_S),
        before_sleep=say,
        reraise=True,
    )
    return retrying(ask)


def _away(error: BaseException | None) -> str:
    return f"Airflow is away ({type(error).__name__})" if isinstance(error, requests.RequestException) else str(error)


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, AirflowRefused):
        return error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, requests.RequestException | Retryable)


def _progress(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcome.status for outcome in outcomes)
    done = len(outcomes) - counts[OutcomeStatus.PLANNED]
    parts = ", ".join(f"{counts[status]} {status}" for status in OutcomeStatus if counts[status])
    return f"{done} of {len(outcomes)} symbols ({parts})" if outcomes else "planning"


def show_run(cluster: Cluster, run_id: str, state: str, screen: Console) -> Shown:
    """Print what became of each symbol, with the quote that is stored, and how much of the quota is used."""
    settings = cluster.settings
    with Wiring(settings) as wiring:
        outcomes = _outlasting(lambda: wiring.store.ledger.outcomes(run_id), cluster, screen)
        symbols = [outcome.symbol for outcome in outcomes]
        quotes = _outlasting(lambda: wiring.store.quotes(symbols, limit=max(1, len(symbols))), cluster, screen)
        shown = sorted(outcomes, key=lambda outcome: outcome.status is OutcomeStatus.STORED)[:_SHOWN]
        screen.print(_table(shown, {quote.symbol: quote for quote in quotes}, invented=settings.uses_sandbox))
        if left := len(outcomes) - len(shown):
            screen.print(f"… and {left} more: the table fetch_outcomes has every symbol of the run")
        _show_failures(outcomes, screen)
        screen.print(_outlasting(lambda: _quota(wiring.limiter), cluster, screen))
    screen.print(f"run {run_id}: ", _coloured(state), sep="")
    return Shown(run_id, state, outcomes, quotes)


def _table(outcomes: Sequence[Outcome], quotes: dict[Symbol, Quote], *, invented: bool) -> Table:
    title = "Quotes stored in PostgreSQL" + (" (invented by the sandbox: no API key is set)" if invented else "")
    table = Table(title=title, title_justify="left", title_style="bold")
    for name in ("symbol", "outcome"):
        table.add_column(name, no_wrap=True)
    for name in ("price", "change", "volume"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("session", "worker"):
        table.add_column(name, no_wrap=True)
    for outcome in outcomes:
        table.add_row(*_row(outcome, quotes.get(outcome.symbol)))
    return table


def _row(outcome: Outcome, quote: Quote | None) -> list[Text]:
    symbol, status, worker = foreign(outcome.symbol), _status(outcome), foreign(outcome.worker)
    if quote is None:
        return [symbol, status, *[Text()] * 4, worker]
    values = (
        price(quote.price),
        percent(quote.change_percent),
        f"{quote.volume:,}",
        quote.latest_trading_day.isoformat(),
    )
    return [symbol, status, *map(Text, values), worker]


def _status(outcome: Outcome) -> Text:
    return Text(outcome.status, _COLOURS.get(outcome.status, "red"))


def _show_failures(outcomes: Sequence[Outcome], screen: Console) -> None:
    """Print why symbols were not stored, the same reason once for all of its symbols."""
    reasons: dict[tuple[str, OutcomeStatus], list[str]] = {}
    for outcome in outcomes:
        if outcome.status is not OutcomeStatus.STORED:
            detail = outcome.detail.removeprefix(f"{outcome.symbol}: ") or str(outcome.status)
            reasons.setdefault((detail, outcome.status), []).append(outcome.symbol)
    for (detail, status), symbols in list(reasons.items())[:_SHOWN]:
        more = f" and {len(symbols) - _NAMED} more" if len(symbols) > _NAMED else ""
        named = Text(", ".join(symbols[:_NAMED]) + more, _COLOURS.get(status, "red"))
        screen.print(named, foreign(f": {detail}"), sep="")


def _quota(limiter: Limiter) -> str:
    return "quota used: " + ", ".join(f"{window.used} of {window.window}" for window in limiter.usage().windows)


def show_addresses(cluster: Cluster, screen: Console) -> None:
    """Print where to look, and how to log in."""
    secrets = cluster.state.secrets()
    workers = ", ".join(_online(cluster)) or "none"
    screen.print(f"Airflow  {cluster.api.url}/dags/{DAG_ID}   user {ADMIN}, password {secrets['airflow_admin']}")
    screen.print(f"Market   {cluster.api.url}/plugin/market   the same login; without one on this machine: make page")
    screen.print(f"Flower   {cluster.flower_url}   user {ADMIN}, password {secrets['flower']}   (workers: {workers})")
    screen.print('Data     psql "$(make -s reader-address)"   exports, a notebook, pandas: docs/using-the-data.md')
    screen.print(f"Metrics  {cluster.url_of('exporter')}/metrics   for Prometheus; how the exporter is: /readyz")
    if "prometheus" in cluster.supervisor.states():
        screen.print(f"Alerts   {cluster.url_of('prometheus')}/alerts   sent by {cluster.url_of('alertmanager')}")
    if cluster.settings.uses_sandbox:
        screen.print(f"Sandbox  {cluster.settings.sandbox_url}   stands in for Alpha Vantage")


def _online(cluster: Cluster) -> list[str]:
    try:
        return cluster.consuming_workers()
    except (OSError, kombu.exceptions.KombuError):
        return []
