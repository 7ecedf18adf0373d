"""The list of companies as an Airflow operator; see ``workers/airflow_operator.py`` for how operators are here."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from common.errors import QuotaWait
from workers.airflow_operator import WAKE_EARLY, wired
from workers.airflow_trigger import PermitTrigger

if TYPE_CHECKING:
    from airflow.sdk import Context


class RenewListings(BaseOperator):
    """Fetch and store the list of companies. Waits for a far permit without a worker slot.

    A scheduled run spends no call where STOCK_SYMBOLS does not choose from the list; one that a person triggers does.
    """

    def execute(self, context: "Context", event: object = None, permit_id: str = "") -> dict[str, Any]:
        """Return what the list changed; a list that shrank fails for good, unless the form says to accept it."""
        del event
        from workers.pipeline.universe import chooses_from_list, renew_listings  # noqa: PLC0415  see airflow_operator

        run = context.get("dag_run")
        accept = bool((context.get("params") or {}).get("accept"))
        with wired(context) as wiring:
            if run is not None and run.run_type == "scheduled" and not chooses_from_list(wiring):
                raise AirflowSkipException(
                    "Not asked for: STOCK_SYMBOLS names its symbols, and listing:… would choose from the list. Trigger "
                    "this DAG to fetch it all the same."
                )
            try:
                renewed = renew_listings(wiring, accept=accept, permit_id=permit_id or uuid4().hex)
            except QuotaWait as wait:
                self.log.info("%s", wait)
                moment = max(wait.retry_at - WAKE_EARLY, datetime.now(UTC))
                kwargs = {"permit_id": wait.permit_id}
                self.defer(trigger=PermitTrigger(moment), method_name="execute", kwargs=kwargs)
            self.log.info("%s", renewed.summary)
            return renewed.as_dict()
