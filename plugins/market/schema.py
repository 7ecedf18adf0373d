"""What the answers look like, for the OpenAPI document: the answers themselves are written without these classes."""

from datetime import date, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Number = float


class Model(BaseModel):
    """An object with these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class Error(Model):
    """What went wrong, and what to do: one sentence."""

    detail: str


class ExchangeFacts(Model):
    """An exchange, and up to which session its symbols should reach. ``closes_at``: when that session closed."""

    code: str
    name: str
    timezone: str
    unit: str
    expected_session: date | None
    closes_at: datetime | None


class Meta(Model):
    """What the page shows. ``invented``: the sandbox made the prices. ``user``: who is logged in."""

    invented: bool
    database: str
    as_of: datetime
    symbols: int
    exchanges: list[ExchangeFacts]
    dag_id: str
    user: str | None


class Symbols(Model):
    """A part of the list: ``columns`` says what stands where in each row.

    ``total``: how many symbols fit. ``is_cut``: more are known than a list holds; those at the end are missing.
    """

    as_of: datetime
    invented: bool
    total: int
    is_cut: bool
    offset: int
    limit: int
    columns: list[str]
    rows: list[list[Any]]


class Spark(Model):
    """Closes of the sessions from ``first`` to ``last``, in today's shares, oldest first."""

    first: date
    last: date
    closes: list[Number]


class Sparks(Model):
    """The small charts by symbol; one without bars has none."""

    as_of: datetime
    sparks: dict[str, Spark]


class Event(Model):
    """A split (``value``: new shares for an old one) or a dividend (its amount), in force from the open of ``t``."""

    t: date
    type: Literal["split", "dividend"]
    text: str
    value: Number


class ChartGap(Model):
    """Sessions without a bar, from ``first`` to ``last``."""

    first: date
    last: date
    sessions: int
    state: str


class Quote(Model):
    """The newest quote. ``change_percent`` is in percent."""

    price: Number
    change: Number
    change_percent: Number
    session: date
    fetched_at: datetime


class Bars(Model):
    """A chart in columns: sessions, open, high, low, close, volume. ``open_day``: its last bar is not complete."""

    symbol: str
    name: str | None
    exchange: str | None
    unit: str | None
    mode: Literal["raw", "split", "total"]
    range: str
    latest: date | None
    expected: date | None
    open_day: date | None
    t: list[date]
    o: list[Number]
    h: list[Number]
    l: list[Number]  # noqa: E741  as charts call it
    c: list[Number]
    v: list[int]
    events: list[Event]
    gaps: list[ChartGap]
    quote: Quote | None
    adjusted: bool


class Series(Model):
    """A symbol's gain since the first common session, in percent."""

    symbol: str
    t: list[date]
    percent: list[Number]


class Missing(Model):
    """A symbol that cannot be compared, and why."""

    symbol: str
    why: str


class Comparison(Model):
    """The symbols side by side, from their first common session on."""

    start: date | None = Field(alias="from")
    series: list[Series]
    missing: list[Missing]


class Finding(Model):
    """What a check found; ``word``: why a person says that it needs nothing."""

    id: int
    check: str
    severity: str
    symbol: str | None
    session: date | None
    message: str
    first_seen: datetime
    last_seen: datetime
    state: Literal["open", "acknowledged", "resolved"]
    word: str | None


class Findings(Model):
    """A part of the findings."""

    total: int
    rows: list[Finding]


class Gap(Model):
    """Sessions without a bar. ``ask_again_at``: from when on a call is worth it."""

    symbol: str
    first: date
    last: date
    sessions: int
    state: str
    answers: int
    asked_at: datetime | None
    ask_again_at: datetime | None


class Gaps(Model):
    """A part of the gaps."""

    total: int
    rows: list[Gap]


class Refused(Model):
    """A refused reply. ``replayable``: no replay has stored it yet."""

    id: int
    symbol: str | None
    dataset: str
    reason: str
    message: str
    received_at: datetime
    run_id: str
    bytes: int
    replayable: bool


class Quarantine(Model):
    """A part of the refused replies."""

    total: int
    rows: list[Refused]


class RefusedReply(Refused):
    """A refused reply with the beginning of its text."""

    payload: str
    is_cut: bool


class WindowUse(Model):
    """A window of the quota. ``resets_at``: when one more call fits a window that is full."""

    name: str
    seconds: int
    used: int
    limit: int
    resets_at: datetime | None


class WaitingSymbol(Model):
    """A symbol that was postponed, and until when."""

    symbol: str | None
    dataset: str
    run_id: str
    until: datetime
    reason: str


class Waiting(Model):
    """The first of those that wait."""

    total: int
    rows: list[WaitingSymbol]


class HourlyCalls(Model):
    """How many calls an hour made."""

    hour: datetime
    calls: int


class Quota(Model):
    """The quota now and over the last day. ``away``: why what Redis knows is missing."""

    quota: str
    as_of: datetime | None
    windows: list[WindowUse]
    hold_until: datetime | None
    hold_reason: str | None
    in_flight: int | None
    queued: int | None
    deferred: int | None
    away: str | None
    waiting: Waiting
    hours: list[HourlyCalls]


class Run(Model):
    """A run and how many of its symbols ended how. ``link``: where it is, below Airflow's own address."""

    run_id: str
    dag_id: str | None
    dataset: str
    planned_at: datetime
    ended_at: datetime | None
    symbols: int
    stored: int
    unchanged: int
    stale: int
    skipped: int
    postponed: int
    quarantined: int
    failed: int
    open: int
    state: Literal["running", "success", "failed"]
    link: str | None


class Runs(Model):
    """The newest runs, newest first."""

    rows: list[Run]


class RunOutcome(Model):
    """What became of a symbol in a run. ``link``: its task, below Airflow's own address."""

    symbol: str
    status: str
    reason: str
    detail: str
    worker: str
    attempts: int
    calls: int
    retry_at: datetime | None
    finished_at: datetime | None
    link: str | None


class RunOutcomes(Model):
    """A part of a run's outcomes."""

    total: int
    rows: list[RunOutcome]


class Worker(Model):
    """How many symbols a worker ended lately."""

    worker: str
    symbols: int
    stored: int
    failed: int
    last_seen: datetime


class Workers(Model):
    """The workers, the busiest first."""

    rows: list[Worker]


#: What any route may answer beside its data.
ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    304: {"description": "Nothing has changed since the ETag that If-None-Match names."},
    400: {"model": Error, "description": "A symbol can be none, or there are too many."},
    401: {"model": Error, "description": "Nobody is logged in."},
    403: {"model": Error, "description": "Whoever is logged in may not see the pipeline's DAG."},
    404: {"model": Error, "description": "There is no such symbol, run or reply."},
    422: {"model": Error, "description": "A parameter cannot be used."},
    503: {"model": Error, "description": "The database does not answer; Retry-After says when to ask again."},
}
#: What a route documents that answers with a file. Its errors are JSON all the same.
CSV_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "A heading, and a line a row."}
}


def answers(model: type[Model]) -> dict[int | str, dict[str, Any]]:
    """Return what a route documents that answers with this model."""
    return {200: {"model": model}}
