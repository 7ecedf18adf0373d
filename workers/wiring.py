"""The only place where the concrete classes meet."""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import TracebackType
from typing import Self

from common.datasets import DATASETS
from common.datasets.bulk_quotes import BULK
from common.datasets.daily_bars import DAILY_BARS
from common.datasets.dataset import Dataset
from common.datasets.full_history import FULL_HISTORY
from common.datasets.quotes import QUOTES
from common.datasets.quotes_from_bars import QUOTES_FROM_BARS
from common.ledger import Entitlements
from common.provider import AlphaVantageClient
from common.quota.durable import DurablePermits
from common.quota.limiter import CAP_MARGIN_S, Limiter
from common.quota.quota import key_digest
from common.settings import PageSettings, PipelineSettings
from common.store import Store
from workers.pipeline.batch import Batch
from workers.pipeline.bulk import BulkRight
from workers.pipeline.feeds import FIRST, HISTORY
from workers.pipeline.job import Job
from workers.pipeline.planning import REFUSED_FOR


@dataclass
class Wiring:
    """The collaborators of one process, each made when it is first needed. A context manager that closes them."""

    settings: PipelineSettings
    dataset: Dataset = QUOTES
    _opened: ExitStack = field(default_factory=ExitStack, init=False, repr=False, compare=False)

    @classmethod
    def from_environment(cls, dataset: Dataset = QUOTES) -> Self:
        """Wire what the environment says. Raises ConfigurationError."""
        return cls(PipelineSettings.from_environment(), dataset)

    @cached_property
    def client(self) -> AlphaVantageClient:
        """The API client."""
        client = AlphaVantageClient(
            self.settings.base_url,
            self.settings.api_key,
            timeout_s=self.settings.api_timeout,
            attempts=self.settings.api_attempts,
            pool_size=self.settings.batch_concurrency,
        )
        return self._opened.enter_context(closing(client))

    @cached_property
    def limiter(self) -> Limiter:
        """The quota over all workers."""
        limiter = Limiter(
            self.settings.redis_dsn,
            self.settings.quota,
            key=self.settings.api_key,
            cap_s=self.settings.api_timeout + CAP_MARGIN_S,
        )
        return self._opened.enter_context(closing(limiter))

    @cached_property
    def store(self) -> Store:
        """The market database."""
        store = Store(
            self.settings.market_dsn,
            timeout_s=self.settings.market_db_timeout,
            keeps_replies=self.settings.raw_retention_days != 0,
        )
        return self._opened.enter_context(closing(store))

    def reader(self) -> Store:
        """Return the market database as a reader sees it: a session of its own that can write nothing."""
        digest = "" if self.settings.uses_sandbox else key_digest(self.settings.api_key)
        page = PageSettings.from_environment().model_copy(update={"alpha_vantage_key_digest": digest})
        return Store(page.market_dsn, timeout_s=self.settings.market_db_timeout, pool_size=1)

    @cached_property
    def permits(self) -> DurablePermits:
        """The quota, with the durable ledger of calls beside it."""
        return DurablePermits(
            self.limiter,
            self.store.calls,
            request_s=self.settings.api_timeout,
        )

    @cached_property
    def entitlements(self) -> Entitlements:
        """What the provider refuses to this key under this plan."""
        plan = f"{self.settings.alpha_vantage_plan} {self.settings.quota}"
        return self.store.entitlements(self.limiter.key_digest, plan, holds_for=REFUSED_FOR)

    @cached_property
    def job(self) -> Job:
        """The work on one symbol."""
        return Job(
            dataset=self.dataset,
            provider=self.client,
            permits=self.permits,
            entitlements=self.entitlements,
            store=self.store,
            ledger=self.store.ledger,
            replies=self.store.replies,
            quarantine=self.store.quarantine,
            worker=self.settings.worker_name,
            max_wait_s=self.settings.quota_wait_in_place,
            postpones=self.settings.on_daily_quota == "postpone",
        )

    @cached_property
    def bulk(self) -> Mapping[str, BulkRight]:
        """The right to ask for many symbols with one call, by the dataset, where the settings want it."""
        wanted = BULK if self.settings.asks_in_bulk else {}
        return {name: BulkRight(bulk, self.entitlements) for name, bulk in wanted.items()}

    def dataset_of(self, feed: str) -> Dataset:
        """Return what a feed (``workers.pipeline.feeds``) asks for under these settings."""
        if feed == FIRST:
            return QUOTES_FROM_BARS if self.settings.quotes_from == "bars" else QUOTES
        if feed == HISTORY:
            return FULL_HISTORY if self.settings.asks_full_history else DAILY_BARS
        return DATASETS[feed]

    @property
    def datasets(self) -> Mapping[str, Dataset]:
        """Every dataset by its name, read as these settings have it read."""
        first = self.dataset_of(FIRST)
        return {**DATASETS, first.name: first}

    def batch(self, dataset: Dataset | None = None, *, budget_s: float) -> Batch:
        """Return the work on a run's batches, by default of the wiring's dataset; a pass lasts about ``budget_s``."""
        job = replace(self.job, dataset=dataset) if dataset else self.job
        bulk = self.bulk.get(job.dataset.name)
        return Batch(job, self.store.ledger, self.settings.batch_concurrency, budget_s, bulk)

    def make_all(self) -> None:
        """Make every collaborator. Nothing connects before it is used."""
        for name in ("client", "limiter", "store", "permits", "job"):
            getattr(self, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was made, each of it even if another one fails to; a wiring that is closed is not used again."""
        self._opened.close()
