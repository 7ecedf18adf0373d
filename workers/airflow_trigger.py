"""What a deferred task waits with, in the triggerer."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class PermitTrigger(BaseTrigger):
    """Wakes a task at ``moment``, when its permit is near: a timer of the event loop, which costs nothing meanwhile."""

    def __init__(self, moment: datetime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow's
        self.moment = moment

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what the triggerer builds it from."""
        return f"{__name__}.{type(self).__name__}", {"moment": self.moment}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Sleep, and say that it is time. A clock that is set meanwhile is noticed within a minute."""
        while (left := (self.moment - datetime.now(UTC)).total_seconds()) > 0:
            await asyncio.sleep(min(left, 60))
        yield TriggerEvent(self.moment.isoformat())  # type: ignore[no-untyped-call]  # Airflow's
