"""The pipeline's steps as Airflow operators: the door from workers/ to Airflow's public interface.

Each operator reads its context, calls one framework-free function, and translates the result and the errors. What
the steps need is imported when they run: a DAG file is parsed far more often than a step runs there, and a worker
has it all in memory before it forks.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, cast

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.xcom_arg import PlainXComArg
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException, TaskDeferred
from airflow.sdk.log import mask_secret

from common.errors import BatchIncomplete, ConfigurationError, PipelineError, QuotaWait, RunFailed, SymbolFailed
from common.logs import bound
from common.redaction import Redactor, one_line
from workers.airflow_patches.resource_cache import ResourceCache
from workers.airflow_trigger import (
    PermitTrigger,  # a task that was deferred by an older version seeks it in this module
)
from workers.pipeline.feeds import FIRST, HISTORY, run_name

#: A woken task is queued and started again, and one that comes late loses its place. It waits the rest in its slot.
WAKE_EARLY: Final = timedelta(seconds=2)
#: How long (s) a pass over a batch takes up symbols where the task has no time-out.
DEFAULT_BUDGET_S: Final = 300.0
#: What a task that was cleared says of what is stored, in a run without force.
_KEPT: Final = "Cleared: what this run has stored stays as it is. Only a run with force fetches it again."
#: The XCom in which a step before the plan says what ended the run.
PROBLEM: Final = "problem"
#: The longest that it is: no row of an XCom needs more of an error, and a message takes less.
_MAX_WORDS: Final = 2_000
#: The states of a run that goes on.
_AT_WORK: Final = ["queued", "running"]

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from airflow.sdk import Context
    from pydantic import JsonValue

    from workers.pipeline.batch import BatchEnd
    from workers.wiring import Wiring


def _wire() -> "Wiring":
    from workers.wiring import Wiring  # noqa: PLC0415  see the module's docstring

    return Wiring.from_environment()


#: The concrete collaborators. A slot's kept process keeps them, and their connections, from one task to the next.
collaborators: Final = ResourceCache(_wire, clean_exits=(AirflowSkipException, TaskDeferred))


@contextmanager
def told(context: "Context") -> Iterator[None]:
    """Leave the words of an error for the run's message, which has no other way to learn them."""
    try:
        yield
    except Exception as error:
        try:
            context["ti"].xcom_push(key=PROBLEM, value=_words(error))
        except Exception:  # whatever the api-server's client raises, the step's own error is the one that counts
            log.exception("What ended this step could not be left for the run's message.")
        raise


def _words(error: Exception) -> str:
    """Return the sentence of an error of ours, bounded and without a secret; of any other one its name alone."""
    from common.settings import PipelineSettings  # noqa: PLC0415  see the module's docstring

    if not isinstance(error, PipelineError | AirflowException):
        return f"{type(error).__name__}: the log of the task says more."
    try:
        secrets = PipelineSettings.from_environment().secrets()
    except ConfigurationError:  # likely the very error: it shows no secret itself
        secrets = ()
    return one_line(Redactor(secrets).text(str(error)), _MAX_WORDS)


@contextmanager
def wired(context: "Context") -> Iterator["Wiring"]:
    """Lend the concrete collaborators; an error that no retry mends fails the task at once.

    Meanwhile each line of the log says which run, which try and which worker it is of.
    """
    try:
        with collaborators.lend() as wiring:
            for secret in wiring.settings.secrets():
                mask_secret(secret)
            worker = wiring.settings.worker_name
            with bound(run=str(context["run_id"]), attempt=context["ti"].try_number, worker=worker):
                yield wiring
    except (SymbolFailed, RunFailed) as error:
        raise AirflowFailException(str(error)) from None


def _show(context: "Context", label: str) -> None:
    """Label the map index at the task's end. Airflow then renders the template again, finds what is noted here already,
    and makes no call for it: the label goes to the api-server with the end's state.
    """
    context["label"] = label  # type: ignore[typeddict-unknown-key]  # for the template
    context["ti"].rendered_map_index = label


def _show_now(label: str) -> None:
    """Label the map index at once, by a call of its own: a batch from its start, and a task that defers, whose end
    carries no label.
    """
    from workers.airflow_patches.map_index_label import send_label  # noqa: PLC0415  see the module's docstring

    send_label(label)


def _parameters(context: "Context") -> dict[str, Any]:
    return dict(context.get("params") or {})


def _symbols(context: "Context") -> list[str] | None:
    """Return the symbols of the trigger form, else those of the runs that this one follows; None for the universe."""
    if symbols := _parameters(context).get("symbols"):
        return list(symbols)
    events = [event for of_asset in (context.get("triggering_asset_events") or {}).values() for event in of_asset]
    asked: list[list[str] | None] = [(event.extra or {}).get("symbols") for event in events]
    if not asked or None in asked:
        return None
    return sorted({symbol for symbols in asked for symbol in symbols or ()})


def _first_try(context: "Context", retries: int | None) -> int:
    """Return the number of the first try since a person cleared the task last; 1 if nobody has.

    Clearing lets a task have its retries once more, on top of the tries that it had (``clear_task_instances``).
    """
    return int(context["ti"].max_tries) - (retries or 0) + 1


def _wanted(context: "Context") -> datetime | None:
    """Return the time that a backfill, or a person's logical date, is for; None for a run that is for now.

    A run that waited in the queue was for now when it was triggered.
    """
    run = context.get("dag_run")
    if run is None or run.logical_date is None or run.run_type == "scheduled":
        return None
    waited = timedelta() if run.run_type == "backfill" else datetime.now(UTC) - run.run_after
    return run.logical_date + waited


class FeedOperator(BaseOperator):
    """A step of a run of ``feed``, one of ``workers.pipeline.feeds.DAGS``."""

    def __init__(self, *, feed: str = FIRST, **kwargs: Any) -> None:  # noqa: ANN401  the base class's
        super().__init__(**kwargs)
        self.feed = feed

    def run_name(self, context: "Context") -> str:
        """Return the name that the ledger knows the run by."""
        return run_name(self.feed, str(context["run_id"]))


class ValidateEnvironment(BaseOperator):
    """Check the settings and every dependency before a call is spent. Fails with what to mend."""

    def execute(self, context: "Context") -> None:
        """Check, and prepare the limiter on a fresh installation."""
        from workers.pipeline.environment import validate_environment  # noqa: PLC0415  see the module's docstring

        with told(context), wired(context) as wiring:
            validate_environment(wiring, _symbols(context), wanted=_wanted(context))


class BatchNumbers(PlainXComArg):
    """The numbers 1, 2, … that the plan returns, for the tasks that are mapped over them.

    A mapped task knows its own from its map index. Airflow would download the whole list for each of them: a third of
    a short task's calls to the api-server.
    """

    def resolve(self, context: Mapping[str, Any]) -> range:
        """Return the numbers up to the task's own, of which Airflow takes the one at the map index."""
        return range(1, context["ti"].map_index + 2)


class PlanSymbols(FeedOperator):
    """Write the run's plan to the ledger. Returns the numbers of its batches, one for each mapped task.

    The XCom ``summary`` says in one sentence what the run will spend, skip and postpone.
    """

    @property
    def batch_numbers(self) -> BatchNumbers:
        """What the fetching tasks are mapped over."""
        return BatchNumbers(self)

    def execute(self, context: "Context") -> list[int]:
        """Plan the symbols of the trigger form, else those of STOCK_SYMBOLS."""
        from workers.pipeline.report import close_left_over_runs  # noqa: PLC0415  see the module's docstring
        from workers.pipeline.run import plan_run  # noqa: PLC0415  see the module's docstring

        run_id = self.run_name(context)
        with told(context), wired(context) as wiring:
            close_left_over_runs(wiring, run_id, lambda other: self._is_at_work(context, other), feed=self.feed)
            cleared = _first_try(context, self.retries) > 1
            force = bool(_parameters(context).get("force"))
            plan = plan_run(wiring, run_id, _symbols(context), feed=self.feed, force=force, cleared=cleared)
            if cleared and not force:
                self.log.info(_KEPT)
        context["ti"].xcom_push(key="summary", value=plan.summary)
        return list(plan.batch_numbers)

    def _is_at_work(self, context: "Context", run_id: str) -> bool:
        """Ask Airflow whether that run goes on; it does not know those of the command line."""
        return bool(context["ti"].get_dr_count(self.dag_id, run_ids=[run_id], states=_AT_WORK))


class FetchAndStore(FeedOperator):
    """Fetch, validate and store the symbols of one batch. Waits for a far permit without a worker slot.

    The map index's label in the UI is ``label`` of the context: the batch and how it went, or the symbol where each of
    the run has a batch of its own.
    """

    def __init__(self, *, batch_number: int, **kwargs: Any) -> None:  # noqa: ANN401  the base class's
        super().__init__(**kwargs)
        self.batch_number = batch_number

    def execute(self, context: "Context", event: object = None, permit_id: str = "", *, cleared: bool = False) -> None:
        """Do the work; when its permit is far, defer, and come back with the same permit."""
        from workers.pipeline.batch_writer import retry_while_database_down  # noqa: PLC0415  see the module's docstring

        run_id = self.run_name(context)
        name = f"batch {self.batch_number}"
        _show(context, name)  # for what fails before more is known
        with wired(context) as wiring:
            symbol = retry_while_database_down(lambda: wiring.store.ledger.single_symbol(run_id, self.batch_number))
            if symbol:
                _show(context, symbol)
            elif event is None:
                _show_now(name)
            how = {"resumed": event is not None, "cleared": cleared or self._is_cleared(context, event)}
            force = bool(_parameters(context).get("force"))
            if how["cleared"] and not force:
                self.log.info(_KEPT)
            batch = wiring.batch(wiring.dataset_of(self.feed), budget_s=self._budget_s())
            end = batch.run(run_id, self.batch_number, permit_id=permit_id, force=force, **how)
            if not end.outcomes:
                raise AirflowFailException(
                    f"The ledger has no {name} of the run {run_id}: clear the run's task plan with the tasks after it."
                )
            label = symbol or f"{name}: {end.counts}"
            _show(context, label)
            summary = f"{symbol or name}: {_in_words(end, single=symbol is not None)}"
            self._judge(end, summary, label, last_try=not end.late or _is_last_try(context))

    def _is_cleared(self, context: "Context", event: object) -> bool:
        """Whether this is the first try since a person cleared the task, so that a retry repeats nothing it did."""
        first_try = _first_try(context, self.retries)
        return event is None and first_try > 1 and context["ti"].try_number == first_try

    def _judge(self, end: "BatchEnd", summary: str, label: str, *, last_try: bool) -> None:
        """Defer while something is left; retry while something can heal; else the batch is what its symbols are."""
        self.log.info("%s", summary)
        if end.left:
            self._defer(end.wait, label, cleared=end.cleared)
        if end.retryable or (end.late and not last_try):
            raise BatchIncomplete(summary)
        if end.failures:
            raise AirflowFailException(summary)
        if end.postponed:
            raise AirflowSkipException(summary)

    def _budget_s(self) -> float:
        """Return how long (s) a pass takes up symbols: half of the task's time-out leaves the last ones enough."""
        timeout = self.execution_timeout
        return timeout.total_seconds() / 2 if timeout else DEFAULT_BUDGET_S

    def _defer(self, wait: QuotaWait | None, label: str, *, cleared: bool) -> None:
        """Give the slot away until the permit is near, or (None) until it is this task's turn again."""
        _show_now(label)
        if wait:
            self.log.info("%s", wait)
        moment = wait.retry_at - WAKE_EARLY if wait else datetime.now(UTC)
        kwargs = {"permit_id": wait.permit_id if wait else "", "cleared": cleared}
        self.defer(trigger=PermitTrigger(moment), method_name="execute", kwargs=kwargs)


def _in_words(end: "BatchEnd", *, single: bool) -> str:
    """Say how a batch ended: one symbol in its own words, more of them by their counts."""
    return f"{end.outcomes[0].status}, {end.outcomes[0].detail}" if single else end.summary


def _is_last_try(context: "Context") -> bool:
    """Whether Airflow tries the task no more by itself: a provider that is still late then makes nothing red."""
    return context["ti"].try_number > context["ti"].max_tries


class ReportRun(FeedOperator):
    """Say what became of each symbol; fail when more failed than MAX_FAILURE_RATIO allows."""

    def execute(self, context: "Context") -> dict[str, Any]:
        """Log the table of outcomes; return the counts and the names of those that failed."""
        from workers.pipeline.report import report_run  # noqa: PLC0415  see the module's docstring

        with wired(context) as wiring:
            report = report_run(wiring, self.run_name(context))
            for line in report.lines():
                self.log.info("%s", line)
            if report.failed_too_many:
                raise AirflowFailException(report.summary)
            return report.as_dict()


class CloseRun(FeedOperator):
    """Give each symbol an outcome; fail when the report has to fail.

    It stands beside the report, so that marking one of the two in the UI decides neither the run's colour nor what the
    ledger says.
    """

    def execute(self, context: "Context") -> None:
        """Close the run's lines, and judge them as the report does."""
        from workers.pipeline.report import report_run  # noqa: PLC0415  see the module's docstring

        with wired(context) as wiring:
            report = report_run(wiring, self.run_name(context))
            if report.failed_too_many:
                raise AirflowFailException(report.summary)


class PublishDataset(FeedOperator):
    """Tell DAGs that run on new data that the feed's dataset has some, where the tasks right before this one succeeded.

    Those are the two that colour the run: what is told is told of green runs alone, once for each.
    """

    def execute(self, context: "Context") -> None:
        """Let the outlets' events carry what was stored; a red run is skipped, and then there is no event."""
        run_id = str(context["run_id"])
        judged = context["ti"].get_task_states(self.dag_id, task_ids=sorted(self.upstream_task_ids), run_ids=[run_id])
        if set(judged.get(run_id, {}).values()) != {"success"}:
            raise AirflowSkipException("Not published: the run failed, and its report says why.")
        with wired(context) as wiring:
            stored, session = wiring.store.ledger.stored(self.run_name(context))
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra.update(
                {
                    "run_id": self.run_name(context),
                    "stored": stored,
                    "session": session.isoformat() if session else None,
                }
            )


class CleanUp(FeedOperator):
    """Delete what is older than its table's setting, and tell the DAGs that wait for it that the run has ended.

    After a run of the history it looks for gaps in the bars: here, where it can be tried again and colours no run.
    """

    def execute(self, context: "Context") -> dict[str, int]:
        """Delete, and return the number of rows for each table."""
        from workers.pipeline.upkeep import delete_old  # noqa: PLC0415  see the module's docstring

        for outlet in self.outlets:
            context["outlet_events"][outlet].extra["symbols"] = cast("JsonValue", _symbols(context))
        with wired(context) as wiring:
            deleted = delete_old(wiring)
            if self.feed == HISTORY:
                self._find_gaps(wiring, self.run_name(context))
            return deleted

    def _find_gaps(self, wiring: "Wiring", run_id: str) -> None:
        from workers.pipeline.gaps import find_gaps  # noqa: PLC0415  see the module's docstring

        symbols = [outcome.symbol for outcome in wiring.store.ledger.outcomes(run_id)]
        self.log.info("%s", find_gaps(wiring, symbols, datetime.now(UTC)))
