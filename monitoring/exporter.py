"""The exporter: every source is read side by side at each scrape, guarded and timed; one that fails says so."""

import logging
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

import psycopg2
import redis
import requests
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from common import __version__
from common.errors import PipelineError
from common.redaction import Redactor, one_line
from monitoring.metrics import by_label, gauge
from monitoring.sources.source import Source

log = logging.getLogger(__name__)

_OUTSIDE: Final = (PipelineError, psycopg2.Error, redis.RedisError, requests.RequestException, OSError)
_LONGEST_SENTENCE: Final = 300
#: A source is not begun once those before it in its chain took so long (s): Prometheus waits ten seconds for a scrape,
#: and what is begun may take five.
_BEGIN_WITHIN_S: Final = 3.0
_NOT_READ: Final = f"not read: those before it took more than {_BEGIN_WITHIN_S:g} s"


@dataclass(frozen=True)
class Reading:
    """What one source told at one time: its metrics, how long that took (s), and what was wrong, or ''."""

    source: str
    seconds: float
    metrics: Sequence[GaugeMetricFamily] = ()
    problem: str = ""


@dataclass(eq=False)  # a registry keys its collectors
class MetricsExporter(Collector):
    """Reads the sources of each chain one after the other, and the chains side by side. Thread-safe.

    ``redactor`` takes secrets out of what is said of a source that failed. ``schedule_s``: the longest pause of the
    schedule (s), 0 without one.
    """

    chains: Sequence[Sequence[Source]]
    redactor: Redactor
    schedule_s: float
    _lock: Lock = field(default_factory=Lock, init=False)

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=len(self.chains), thread_name_prefix="source")

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing: to register a collector that describes nothing would read it."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield every metric, those of the sources that can be read."""
        yield gauge("pipeline_build_info", {(__version__, platform.python_version()): 1})
        yield gauge("pipeline_schedule_interval_seconds", self.schedule_s)
        readings = self.read()
        for reading in readings:
            yield from reading.metrics
        yield gauge("pipeline_source_up", by_label((reading.source, not reading.problem) for reading in readings))
        yield gauge("pipeline_source_seconds", by_label((reading.source, reading.seconds) for reading in readings))

    def read(self) -> list[Reading]:
        """Read every source now; who asks at the same time waits for a reading of its own."""
        with self._lock:
            return [reading for readings in self._threads.map(self._read_chain, self.chains) for reading in readings]

    def _read_chain(self, chain: Sequence[Source]) -> list[Reading]:
        until = time.monotonic() + _BEGIN_WITHIN_S
        return [
            self._read_source(source) if time.monotonic() < until else Reading(source.name, 0, problem=_NOT_READ)
            for source in chain
        ]

    def _read_source(self, source: Source) -> Reading:
        begun = time.monotonic()
        metrics: Sequence[GaugeMetricFamily] = ()
        problem = ""
        try:
            metrics = list(source.read())
        except _OUTSIDE as error:
            problem = self._said(error)
        except Exception as error:  # a defect of ours takes one source's metrics and not all
            log.exception("reading %s failed", source.name)
            problem = self._said(error)
        return Reading(source.name, time.monotonic() - begun, metrics, problem)

    def _said(self, error: Exception) -> str:
        return one_line(self.redactor.text(f"{error}" or type(error).__name__), _LONGEST_SENTENCE)

    def close(self) -> None:
        """End the threads and close every source's connections."""
        self._threads.shutdown()
        for chain in self.chains:
            for source in chain:
                source.close()
