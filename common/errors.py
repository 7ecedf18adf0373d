"""The one tree of errors. The branch says what to do next, the leaf says what happened.

::

    PipelineError
    ├── Retryable                it can heal: try the same symbol again
    │   ├── NetworkFailed        no reply: connect, TLS, reset, DNS
    │   ├── DeadlineExceeded     the reply did not arrive whole in time
    │   │   └── PermitExpired    the request was not sent: its permit was too old by then
    │   ├── ProviderDown         the provider has failed every call for minutes, so no call was made
    │   ├── ProviderUnavailable  a 5xx, or the provider says that it cannot answer now
    │   │   ├── ProviderOutage   many symbols that have rows were answered with nothing: no symbol's fault
    │   │   └── ProviderBusy     a page, or a notice that nobody knows, in place of data: taken for "not now"
    │   ├── RateLimited          the provider says: too fast
    │   ├── DailyQuotaUsedUp     the provider says: no more today
    │   ├── PayloadRejected      the reply is not what was asked for; it is in quarantine
    │   ├── QuotaWait            our own limiter says: not yet
    │   ├── BatchIncomplete      some symbols of a batch failed in a way that can heal
    │   ├── NotAttempted         the run ended before anybody took the symbol up
    │   ├── Interrupted          the run ended while the symbol was in work
    │   ├── ClaimLost            another worker has taken the batch up, because this one stood still
    │   ├── LimiterUnavailable   our own limiter cannot answer, so no call is made
    │   │   ├── LimiterUnreachable    Redis does not answer in time
    │   │   ├── LimiterStateUnknown   Redis lost, or cannot date, what it knew: rebuild it from the ledger
    │   │   ├── LimiterQuotaChanged   this process and Redis go by different quotas
    │   │   └── LimiterRedisUnfit     Redis is full, read-only, evicting, or refuses us
    │   └── StoreUnavailable     PostgreSQL cannot be reached, or aborted the transaction
    ├── SymbolFailed             it cannot heal: this symbol ends here, the others go on
    │   ├── UnknownSymbol        the provider has no data for it
    │   ├── NoData               no data this time for a symbol that has rows: asked again in the next run
    │   ├── NotASymbol           the text can be no symbol, so nothing was asked
    │   ├── PremiumRequired      the plan does not cover it
    │   ├── RowRefused           PostgreSQL does not take its row: a defect of ours
    │   └── RunHalted            the run was ended by another symbol's error
    ├── PageDown                 a page does not answer, or says that it is not well
    ├── NotExportable            what was asked for is no table, choice or file that there can be
    └── RunFailed                nothing can work until a person acts: the run ends here
        ├── ApiKeyRejected       missing, wrong, revoked, or the demo key
        ├── UnknownFunction      the provider does not know the function: a defect of ours
        ├── ListShrank           a new list of companies is so short that it is not believed
        ├── SessionGone          the run is for a day that the provider does not serve any more
        ├── StoreNotReady        the database's schema or rights are not what this version needs
        └── ConfigurationError   a setting is missing, malformed or contradicts another

Every message is one sentence or two for a person: what happened and what to do. None holds the API key.
"""

from datetime import datetime
from typing import ClassVar, Final


class PipelineError(Exception):
    """The root. ``reason`` is the stable machine-readable code that the ledger and the metrics use."""

    reason: ClassVar[str] = "error"


class Retryable(PipelineError):
    """It can heal. ``retry_after_s``: seconds until another try makes sense, or None if unknown."""

    reason = "try_again_later"

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NetworkFailed(Retryable):
    """No reply arrived: name resolution, connect, TLS, or a connection that was cut.

    ``request_sent`` is False only if nothing left this machine, so the provider cannot have counted a call.
    """

    reason = "network"

    def __init__(self, message: str, *, retry_after_s: float | None = None, request_sent: bool = True) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.request_sent = request_sent


class DeadlineExceeded(Retryable):
    """The whole reply did not arrive within the call's total time. ``request_sent`` as in NetworkFailed."""

    reason = "deadline"

    def __init__(self, message: str, *, retry_after_s: float | None = None, request_sent: bool = True) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.request_sent = request_sent


class PermitExpired(DeadlineExceeded):
    """Too much time had passed since the permit when the request was to leave, so it was not sent."""

    reason = "permit_expired"


class ProviderDown(Retryable):
    """The provider has failed every call for minutes, so that this one was not made."""

    reason = "provider_down"


class ProviderUnavailable(Retryable):
    """The provider answered that it cannot answer now. ``status`` is the HTTP status."""

    reason = "provider_unavailable"

    def __init__(self, message: str, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.status = status


class ProviderOutage(ProviderUnavailable):
    """Many symbols of a run that have rows were answered with nothing: the ledger says so of all of them."""

    reason = "provider_outage"


class ProviderBusy(ProviderUnavailable):
    """A reply that is no data and says nothing known, from a provider that may merely be busy: it means "not now".

    ``code`` and ``payload`` as in PayloadRejected.
    """

    reason = "provider_busy"

    def __init__(self, message: str, *, status: int, code: str, payload: str) -> None:
        super().__init__(message, status=status)
        self.code = code
        self.payload = payload


class RateLimited(Retryable):
    """The provider refused the call because calls came too fast. The call still counted."""

    reason = "rate_limited"


class DailyQuotaUsedUp(Retryable):
    """The provider says that the key's calls for the day are used up."""

    reason = "daily_quota"


class PayloadRejected(Retryable):
    """The reply is not the data that was asked for. ``code`` is the rejection's reason code.

    ``payload`` is the redacted reply, whole.
    """

    reason = "payload_rejected"

    def __init__(self, message: str, *, code: str, payload: str) -> None:
        super().__init__(message)
        self.code = code
        self.payload = payload


class QuotaWait(Retryable):
    """No permit now. ``retry_at``: the time (aware, Redis's clock) at which asking again makes sense.

    ``window`` names the window that is full, as in ``25/day``. ``permit_id`` is the permit that waits: a
    caller that asks again with it keeps its place in the queue.
    """

    reason = "quota"

    def __init__(
        self, message: str, *, retry_at: datetime, retry_after_s: float, window: str, permit_id: str = ""
    ) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.retry_at = retry_at
        self.window = window
        self.permit_id = permit_id


class BatchIncomplete(Retryable):
    """Some symbols of a batch failed in a way that can heal; each has its own reason in the ledger."""

    reason = "batch_incomplete"


class NotAttempted(Retryable):
    """The run ended before a task took the symbol up. The ledger's word for it; nothing raises it."""

    reason = "not_attempted"


class Interrupted(Retryable):
    """The run ended while a task had the symbol in work. The ledger's word for it; nothing raises it."""

    reason = "interrupted"


class ClaimLost(Retryable):
    """Another worker has taken up the batch since: this one was taken for dead, or stood still for long."""

    reason = "claim_lost"


class LimiterUnavailable(Retryable):
    """The limiter cannot say whether a call is allowed, so none is made."""

    reason = "limiter_unavailable"


class LimiterUnreachable(LimiterUnavailable):
    """Redis cannot be reached, or did not answer in time."""

    reason = "limiter_unreachable"


class LimiterStateUnknown(LimiterUnavailable):
    """Redis does not know which calls were made: data lost, older than it was, or dated by a clock that jumped.

    ``cause`` is the stable code of what happened. ``Limiter.recover`` with the ledger's calls heals it.
    """

    reason = "limiter_state_unknown"

    def __init__(self, message: str, *, cause: str, retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.cause = cause


class LimiterQuotaChanged(LimiterUnavailable):
    """This process was set up with a ``configured`` quota, and the one ``in_force`` is another."""

    reason = "limiter_quota_changed"

    def __init__(self, message: str, *, configured: str, in_force: str) -> None:
        super().__init__(message)
        self.configured = configured
        self.in_force = in_force


class LimiterRedisUnfit(LimiterUnavailable):
    """Redis answers, but cannot keep a quota: full, read-only, evicting, or refusing our commands."""

    reason = "limiter_redis_unfit"


class StoreUnavailable(Retryable):
    """PostgreSQL cannot be reached, or it aborted the transaction; nothing of it was stored."""

    reason = "store_unavailable"


class SymbolFailed(PipelineError):
    """It cannot heal: the symbol ends here, without a retry."""

    reason = "symbol_failed"


class UnknownSymbol(SymbolFailed):
    """The provider has no data for the symbol."""

    reason = "unknown_symbol"


class NoData(SymbolFailed):
    """The provider has no data for a symbol that has rows: this is not believed before it said so on several days."""

    reason = "no_data"


class NotASymbol(SymbolFailed):
    """The text that stands for a symbol can be none, so the provider is not asked."""

    reason = "not_a_symbol"


class PremiumRequired(SymbolFailed):
    """The key's plan does not cover the request."""

    reason = "premium_required"


class RunHalted(SymbolFailed):
    """Another symbol of the run met an error that ends the run, so this one was not tried."""

    reason = "run_halted"


class RowRefused(SymbolFailed):
    """A constraint or a type of the table refused the row: nothing of its transaction was stored.

    ``constraint`` names the constraint, or is empty where the value did not fit its column's type.
    """

    reason = "row_refused"

    def __init__(self, message: str, *, constraint: str = "") -> None:
        super().__init__(message)
        self.constraint = constraint


class PageDown(PipelineError):
    """A page that people open does not answer, or says that it is not well."""

    reason = "page_down"


class NotExportable(PipelineError):
    """There is no such table or view, it has no such choice of rows, or the file can have no such format."""

    reason = "not_exportable"


class RunFailed(PipelineError):
    """Nothing can work until a person acts: no further call is made."""

    reason = "run_failed"


class ApiKeyRejected(RunFailed):
    """The provider does not accept the API key."""

    reason = "api_key"


class UnknownFunction(RunFailed):
    """The provider does not know the API function that was asked for."""

    reason = "unknown_function"


class SessionGone(RunFailed):
    """The run is for a session gone by, and a quote is always the latest one."""

    reason = "session_gone"


class StoreNotReady(RunFailed):
    """A table, a column or a right is missing in the database, or this version's SQL does not fit it."""

    reason = "store_not_ready"


class ListShrank(RunFailed):
    """A new list of companies lacks so many of the one before that it is not believed; both counts are of symbols."""

    reason = "list_shrank"

    def __init__(self, message: str, *, had: int, has: int) -> None:
        super().__init__(message)
        self.had = had
        self.has = has


class ConfigurationError(RunFailed):
    """A setting is missing, malformed, or contradicts another. ``variable`` names it."""

    reason = "configuration"

    def __init__(self, message: str, *, variable: str | None = None) -> None:
        super().__init__(message)
        self.variable = variable


def reasons_of(branch: type[PipelineError]) -> frozenset[str]:
    """Return the reason codes of a branch of the tree."""
    return frozenset({branch.reason}).union(*(reasons_of(leaf) for leaf in branch.__subclasses__()))


#: The reasons with which a symbol may be tried again by itself, and those after which a person has to act first.
RETRYABLE: Final = reasons_of(Retryable)
HALTED: Final = reasons_of(RunFailed) | {RunHalted.reason}
#: The reasons of symbols that a run left without an outcome of their own.
LEFT_OPEN: Final = frozenset({NotAttempted.reason, Interrupted.reason})
