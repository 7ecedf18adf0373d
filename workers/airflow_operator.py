"""The pipeline's steps as Airflow operators: the only door from workers/ to Airflow.

Each operator reads its context, calls one framework-free function, and translates the result and the errors. What
the steps need is imported when they run: a DAG file is parsed far more often than a step runs there, and a worker
has it all in memory before it forks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator, CronTriggerTimetable, DeltaTriggerTimetable
from airflow.sdk.bases.timetable import BaseTimetable
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.log import mask_secret

from common.errors import QuotaWait, RunFailed, SymbolFailed
from common.models import OutcomeStatus, Symbol
from common.settings import DagSettings

#: A woken task is queued and started anew, and who comes late loses its place. The rest it waits in its slot.
WAKE_EARLY: Final = timedelta(seconds=2)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from workers.wiring import Wiring


def timetable(settings: DagSettings) -> BaseTimetable | None:
    """Return when the DAG runs by itself: at the cron line's or preset's times, at intervals, or (None) never.

    A fresh installation waits for the next time; one that was off when a run was due makes up for the latest.
    """
    schedule = settings.stock_schedule
    if isinstance(schedule, timedelta):
        return DeltaTriggerTimetable(schedule)
    if schedule is None:
        return None
    return CronTriggerTimetable(schedule, timezone=settings.stock_timezone)


@contextmanager
def wired() -> Iterator["Wiring"]:
    """Lend the concrete collaborators; an error that cannot heal fails the task without a retry."""
    from workers.wiring import Wiring  # noqa: PLC0415  see the module's docstring

    try:
        with Wiring.from_environment() as wiring:
            for secret in wiring.settings.secrets():
                mask_secret(secret)
            yield wiring
    except (SymbolFailed, RunFailed) as error:
        raise AirflowFailException(str(error)) from None


def _parameters(context: "Context") -> dict[str, Any]:
    return dict(context.get("params") or {})


class ValidateEnvironment(BaseOperator):
    """Check the settings and every dependency before a call is spent. Fails with what to mend."""

    def execute(self, context: "Context") -> None:
        """Check, and prepare the limiter on a fresh installation."""
        from workers.run import validate_environment  # noqa: PLC0415  see the module's docstring

        with wired() as wiring:
            validate_environment(wiring, _parameters(context).get("symbols"))


class PlanSymbols(BaseOperator):
    """Write the run's plan to the ledger. Returns the symbols to fetch, in order: one mapped task each.

    The XCom ``summary`` says in one sentence what the run will spend, skip and postpone.
    """

    def execute(self, context: "Context") -> list[str]:
        """Plan the symbols of the trigger form, else those of STOCK_SYMBOLS."""
        from workers.run import plan_run  # noqa: PLC0415  see the module's docstring

        parameters = _parameters(context)
        with wired() as wiring:
            run_id = str(context["run_id"])
            plan = plan_run(wiring, run_id, parameters.get("symbols"), force=bool(parameters.get("force")))
        context["ti"].xcom_push(key="summary", value=plan.summary)
        return [str(symbol) for symbol in plan.fetch]


class FetchAndStore(BaseOperator):
    """Fetch, validate and store one symbol. Waits for a far permit without holding a worker slot."""

    def __init__(self, *, symbol: str, **kwargs: Any) -> None:  # noqa: ANN401  the base class's
        super().__init__(**kwargs)
        self.symbol = symbol

    def execute(self, context: "Context", event: object = None, permit_id: str = "") -> None:
        """Run the job; when its permit is far, defer, and come back with the same permit."""
        del event  # the trigger only tells that it is time
        with wired() as wiring:
            try:
                outcome = wiring.job.run(str(context["run_id"]), Symbol(self.symbol), permit_id=permit_id)
            except QuotaWait as wait:
                self._defer(wait)
        if outcome.status is OutcomeStatus.POSTPONED:
            raise AirflowSkipException(outcome.detail)

    def _defer(self, wait: QuotaWait) -> None:
        from airflow.providers.standard.triggers.temporal import DateTimeTrigger  # noqa: PLC0415  see the module's docstring

        self.log.info("%s", wait)
        self.defer(
            trigger=DateTimeTrigger(moment=wait.retry_at - WAKE_EARLY),
            method_name="execute",
            kwargs={"permit_id": wait.permit_id},
        )


class ReportRun(BaseOperator):
    """Say what became of each symbol; fail when more failed than MAX_FAILURE_RATIO allows."""

    def execute(self, context: "Context") -> dict[str, Any]:
        """Log the table of outcomes; return the counts and the names of those that failed."""
        from workers.run import report_run  # noqa: PLC0415  see the module's docstring

        with wired() as wiring:
            report = report_run(wiring, str(context["run_id"]))
            for line in report.lines():
                self.log.info("%s", line)
            if report.failed_too_many:
                raise AirflowFailException(report.summary)
            return report.as_dict()


class CleanUp(BaseOperator):
    """Delete rows older than DATA_RETENTION_DAYS."""

    def execute(self, context: "Context") -> dict[str, int]:
        """Delete, and return the number of rows for each table."""
        del context
        with wired() as wiring:
            deleted: dict[str, int] = wiring.store.delete_older_than(wiring.settings.data_retention_days)
            self.log.info("deleted rows older than %d days: %s", wiring.settings.data_retention_days, deleted)
            return deleted
