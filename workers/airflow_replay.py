"""The replay of refused replies as an Airflow operator; see ``workers/airflow_operator.py`` for how they are here."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from workers.airflow_operator import wired

if TYPE_CHECKING:
    from airflow.sdk import Context


class ReplayRefused(BaseOperator):
    """Judge what waits in quarantine by today's rules, and store what is sound. No call is made."""

    def execute(self, context: "Context") -> dict[str, int]:
        """Return how many replies there are of each verdict; what is refused still is in the log, and no failure."""
        from workers.pipeline.replay import replay  # noqa: PLC0415  see airflow_operator

        asked: dict[str, Any] = dict(context.get("params") or {})
        verdicts = Counter[str]()
        with wired(context) as wiring:
            ids = wiring.store.quarantine.waiting_ids(asked.get("dataset") or None, asked.get("reason") or None)
            for result in replay(wiring.store, wiring.datasets, ids, dry_run=bool(asked.get("dry_run"))):
                verdicts[result.verdict] += 1
                if result.verdict != "stored":
                    self.log.info("%d: %s: %s", result.id, result.verdict, result.message)
        self.log.info("%s%s", "nothing is changed; it would be: " if asked.get("dry_run") else "", dict(verdicts))
        return dict(verdicts)
