"""What the provider refuses to a key because its plan does not cover it: no call is spent on hearing it again."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Final

from common.database.pool import Connections
from common.database.rows import MAX_SENTENCE, storable

log = logging.getLogger(__name__)

#: How long the one that asks again has for its answer, before another one may.
ASK_AGAIN_AFTER: Final = timedelta(hours=1)


class Entitlements:
    """The refusals of one key under its ``plan``: of another key, or another plan, nothing is known here.

    ``key_digest`` stands for the key, as in the limiter's names; ``plan`` is any text that changes with the plan.
    A refusal holds for ``holds_for`` on the database's clock. A feature is a text of up to 64 characters, such as the
    name of the provider's function. Thread-safe; each method is one transaction and raises what ``Connections`` raises.
    """

    def __init__(self, connections: Connections, key_digest: str, plan: str, *, holds_for: timedelta) -> None:
        self._connections = connections
        self._whose = {"key_digest": key_digest, "plan": plan, "holds_for": holds_for}

    def refused_at(self, feature: str) -> datetime | None:
        """Return since when the feature is refused (aware); None where no refusal holds."""
        rows = self._connections.query("feature_refused_at", self._whose | {"feature": feature})
        return rows[0][0] if rows else None

    def may_ask(self, feature: str) -> bool:
        """Whether a call for the feature makes sense: it was not refused, or so long ago that one call may ask again.

        Of many callers then one is told so, who answers with ``refuse`` or ``allow``; after an hour without, another.
        """
        asked = self._whose | {"feature": feature, "ask_again_after": ASK_AGAIN_AFTER}
        return bool(self._connections.query("may_ask_for_feature", asked)[0][0])

    def refuse(self, feature: str, message: str) -> None:
        """Remember that the provider refuses the feature; say so in the log, unless that was known.

        ``message``: what it said, redacted by the caller; it is cut to what the column holds.
        """
        said = storable(message, MAX_SENTENCE)
        rows = self._connections.query("refuse_feature", self._whose | {"feature": feature, "message": said})
        for (again_at,) in rows:
            log.warning(
                "The key's plan does not cover %s, so it is not asked for before %s, or with another key or plan: %s",
                feature,
                f"{again_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
                said,
            )

    def allow(self, feature: str) -> None:
        """Forget a refusal: the provider has done what was asked."""
        self._connections.execute("allow_feature", self._whose | {"feature": feature})
