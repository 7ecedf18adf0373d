"""Trigger the pipeline, watch it, and show what it stored."""

import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

import requests
from rich.console import Console
from rich.table import Table

from common.quota import Limiter
from common.store import Store
from common.values import Outcome, OutcomeStatus, Quote, Symbol, parse_symbols
from local.airflow_api import DAG_ID
from local.cluster import ADMIN, Cluster
from workers.wiring import Wiring

_ENDED: Final = frozenset({"success", "failed"})
#: How long a run is queued when nothing is ahead of it (s), generously.
_PATIENCE_S: Final = 5
_COLOURS: Final = {
    OutcomeStatus.STORED: "green",
    OutcomeStatus.SKIPPED: "cyan",
    OutcomeStatus.POSTPONED: "yellow",
    OutcomeStatus.STALE: "yellow",
}


def trigger(cluster: Cluster, symbols: Sequence[str], *, force: bool) -> str:
    """Trigger a run over Airflow's REST API; return its id."""
    conf: dict[str, object] = {"force": force}
    if symbols:
        conf["symbols"] = [str(symbol) for symbol in parse_symbols(symbols)]
    return cluster.api.trigger(conf)


def watch(cluster: Cluster, run_id: str, console: Console, *, timeout_s: float = 3600) -> str:
    """Show the run's progress until it ends; return its state, ``success`` or ``failed``."""
    begun = time.monotonic()
    shown = ""
    with Store(cluster.settings.market_dsn) as store, console.status("waiting for the run to start") as status:
        while time.monotonic() - begun < timeout_s:
            try:
                state = cluster.api.run_state(run_id)
            except requests.RequestException as late:  # a busy machine answers late; the run goes on
                status.update(f"waiting for Airflow's answer ({type(late).__name__})")
                continue
            text = f"{state}: {_progress(store.outcomes(run_id))}"
            if state == "queued" and time.monotonic() - begun > _PATIENCE_S:
                text = "queued: an earlier run is not over yet, and one runs at a time"
            status.update(text)
            if text != shown and not console.is_terminal:
                console.print(f"  {text}")
            shown = text
            if state in _ENDED:
                return state
            time.sleep(0.5)
    raise TimeoutError(f"the run {run_id} has not ended after {timeout_s:.0f} s: see it at {cluster.api.url}")


def _progress(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(outcome.status for outcome in outcomes)
    done = len(outcomes) - counts[OutcomeStatus.PLANNED]
    parts = ", ".join(f"{counts[status]} {status}" for status in OutcomeStatus if counts[status])
    return f"{done} of {len(outcomes)} symbols ({parts})" if outcomes else "planning"


def show_run(cluster: Cluster, run_id: str, state: str, console: Console) -> None:
    """Print what became of each symbol, with the quote that is stored, and how much of the quota is used."""
    settings = cluster.settings
    with Wiring(settings) as wiring:
        outcomes = wiring.store.outcomes(run_id)
        quotes = {quote.symbol: quote for quote in wiring.store.quotes([outcome.symbol for outcome in outcomes])}
        console.print(_table(outcomes, quotes, invented=settings.uses_sandbox))
        _show_failures(outcomes, console)
        _show_quota(wiring.limiter, console)
    colour = "green" if state == "success" else "red"
    console.print(f"run {run_id}: [{colour}]{state}[/]")


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


def _row(outcome: Outcome, quote: Quote | None) -> list[str]:
    status = f"[{_COLOURS.get(outcome.status, 'red')}]{outcome.status}[/]"
    if quote is None:
        return [outcome.symbol, status, "", "", "", "", outcome.worker]
    change = f"{quote.change_percent:+.2f} %"
    session = quote.latest_trading_day.isoformat()
    return [outcome.symbol, status, f"{quote.price:,.2f}", change, f"{quote.volume:,}", session, outcome.worker]


def _show_failures(outcomes: Sequence[Outcome], console: Console) -> None:
    for outcome in outcomes:
        if outcome.status is not OutcomeStatus.STORED:
            detail = outcome.detail.removeprefix(f"{outcome.symbol}: ")
            console.print(f"[{_COLOURS.get(outcome.status, 'red')}]{outcome.symbol}[/]: {detail}")


def _show_quota(limiter: Limiter, console: Console) -> None:
    usage = limiter.usage()
    windows = ", ".join(f"{window.used} of {window.window}" for window in usage.windows)
    console.print(f"quota used: {windows}")


def show_addresses(cluster: Cluster, console: Console) -> None:
    """Print where to look, and how to log in."""
    secrets = cluster.state.secrets()
    workers = ", ".join(_online(cluster)) or "none"
    console.print(f"Airflow  {cluster.api.url}/dags/{DAG_ID}   user {ADMIN}, password {secrets['airflow_admin']}")
    console.print(f"Flower   {cluster.flower_url}   user {ADMIN}, password {secrets['flower']}   (workers: {workers})")
    if cluster.settings.uses_sandbox:
        console.print(f"Sandbox  {cluster.settings.sandbox_url}   stands in for Alpha Vantage")


def _online(cluster: Cluster) -> list[str]:
    try:
        return cluster.consuming_workers()
    except (OSError, requests.RequestException):
        return []
