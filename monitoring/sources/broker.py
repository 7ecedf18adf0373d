"""Redis as the queue: what waits, what is taken, how much memory is left."""

from collections.abc import Collection, Iterator
from typing import Final

import redis
from prometheus_client.core import GaugeMetricFamily
from pydantic import SecretStr

from monitoring.metrics import by_label, gauge
from monitoring.sources.source import PATIENCE_S

#: kombu keeps a list for each queue and priority: the queue's name, and for these a separator and the number.
_SUFFIXES: Final = ("", *(f"\x06\x16{priority}" for priority in (3, 6, 9)))
_TAKEN: Final = "unacked"


class BrokerSource:
    """The queues in Redis."""

    name = "broker"

    def __init__(self, url: SecretStr, queues: Collection[str]) -> None:
        self._client = redis.Redis.from_url(
            url.get_secret_value(), socket_timeout=PATIENCE_S / 2, socket_connect_timeout=PATIENCE_S / 2
        )
        self._queues = sorted(queues)

    def read(self) -> Iterator[GaugeMetricFamily]:
        """Yield the queues' lengths and the server's memory. A queue without a key is empty."""
        with self._client.pipeline(transaction=False) as together:
            for queue in self._queues:
                for suffix in _SUFFIXES:
                    together.llen(queue + suffix)
            together.hlen(_TAKEN)
            together.info("memory")
            *lengths, taken, memory = together.execute()
        size = len(_SUFFIXES)
        waiting = {queue: sum(lengths[size * nth : size * (nth + 1)]) for nth, queue in enumerate(self._queues)}
        yield gauge("celery_queue_messages", by_label(waiting.items()))
        yield gauge("celery_unacked_messages", taken)
        yield gauge("redis_memory_used_bytes", memory["used_memory"])
        yield gauge("redis_memory_max_bytes", memory["maxmemory"])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
