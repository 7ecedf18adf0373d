"""The limiter: what is used of each window, who waits, and whether somebody holds all calls back."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily

from common.errors import LimiterStateUnknown
from common.quota.results import Usage
from common.quota.view import QuotaView
from monitoring.metrics import by_label, gauge
from monitoring.sources.source import timestamp

#: Why Redis knows nothing of the calls: it is new, and the next run tells it what the ledger knows.
_NEW: Final = "missing"


class QuotaSource:
    """The limiter as it stands in Redis; the view of it never changes it."""

    name = "quota"

    def __init__(self, view: QuotaView) -> None:
        self._view = view

    def read(self) -> Iterator[GaugeMetricFamily]:
        """Yield what is used: nothing before the first call, nor where Redis is new and no run has begun since."""
        windows = self._view.quota.windows
        yield gauge("pipeline_quota_limit_calls", by_label((str(window), window.limit) for window in windows))
        usage = self._usage()
        used = {each.window: each.used for each in usage.windows} if usage else {}
        yield gauge("pipeline_quota_used_calls", by_label((str(window), used.get(window, 0)) for window in windows))
        places = {
            "in_flight": usage.in_flight if usage else 0,
            "waiting": usage.waiting if usage else 0,
            "deferred": usage.deferred if usage else 0,
        }
        yield gauge("pipeline_quota_callers", by_label(places.items()))
        hold = usage.hold_until if usage else None
        yield gauge("pipeline_quota_hold_until_timestamp_seconds", timestamp(hold) if hold else 0)

    def _usage(self) -> Usage | None:
        try:
            return self._view.usage()
        except LimiterStateUnknown as error:
            if error.cause != _NEW:
                raise
            return None

    def close(self) -> None:
        """Close the connections."""
        self._view.close()
