"""The task that tells people of a run: the door from workers/pipeline/notification.py to Airflow's public interface."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from logging import INFO, WARNING
from typing import TYPE_CHECKING
from urllib.parse import quote

from airflow.configuration import conf
from airflow.sdk.exceptions import AirflowFailException
from airflow.sdk.log import mask_secret

from common.errors import ConfigurationError, Retryable
from workers.airflow_operator import PROBLEM, FeedOperator, wired

if TYPE_CHECKING:
    from airflow.sdk import Context

    from common.notify import AlertAddress, Delivery
    from workers.pipeline.notification import RunEnd


class NotifyRun(FeedOperator):
    """Tell the addresses of ALERT_URLS what a person has to know of the run, once; and send what waits from others.

    A task of its own, which nothing waits for: a mail server that is away costs the run nothing. It is not tried again
    by itself, since the next run sends what is left.
    """

    def execute(self, context: "Context") -> None:
        """Send; fail where a message waits on, so that it can be seen. Where there is no address, do nothing."""
        from common.settings import NotificationSettings  # noqa: PLC0415  see workers/airflow_operator.py

        try:
            addresses = NotificationSettings.from_environment().addresses()
        except ConfigurationError as error:
            raise AirflowFailException(str(error)) from None
        if not addresses:
            self.log.info("ALERT_URLS is not set: nobody is told")
            return
        for secret in {secret for address in addresses for secret in address.secrets()}:
            mask_secret(secret)
        deliveries = self._tell(addresses, context)
        for delivery in deliveries:
            self.log.log(WARNING if delivery.problem else INFO, "%s", delivery)
        if any(delivery.problem for delivery in deliveries):
            raise AirflowFailException("A message was not sent: the log says why. The next run tries again.")

    def _tell(self, addresses: "Sequence[AlertAddress]", context: "Context") -> "list[Delivery]":
        from workers.pipeline.notification import notify_of_run, notify_without_ledger  # noqa: PLC0415  same

        run = self._run_end(context)
        try:
            with wired(context) as wiring:
                return notify_of_run(wiring, addresses, run)
        except (AirflowFailException, Retryable) as error:  # the settings, or the database where all is remembered
            return notify_without_ledger(addresses, replace(run, problem=str(error)))

    def _run_end(self, context: "Context") -> "RunEnd":
        from workers.pipeline.notification import RunEnd  # noqa: PLC0415  see workers/airflow_operator.py

        run_id = str(context["run_id"])
        base = conf.get("api", "base_url", fallback="").rstrip("/")
        pages = {"Look": f"{base}/dags/{self.dag_id}/runs/{quote(run_id, safe='')}", "Market": f"{base}/plugin/market/"}
        return RunEnd(
            self.run_name(context),
            self.dag_id,
            run_id,
            late_by=_late_by(context),
            problem=_problem(context),
            links=pages if base else {},
        )


def _late_by(context: "Context") -> timedelta:
    """Return how long after it was due a scheduled run began; a person who clears one makes it no later."""
    run = context.get("dag_run")
    if run is None or run.run_type != "scheduled" or run.clear_number or run.start_date is None:
        return timedelta()
    return run.start_date - run.run_after


def _problem(context: "Context") -> str:
    """Return what ended the run before its plan, in that step's own words; '' where nothing did."""
    told = context["ti"].xcom_pull(task_ids=["validate_environment", "plan"], key=PROBLEM)
    return next((str(text) for text in told or () if text), "")
