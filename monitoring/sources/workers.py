"""Which Celery workers are alive: each sends a heartbeat over Redis every two seconds, and this listens.

To ask (``inspect``) would take a second of each scrape, and to Flower a worker that was killed is still up.
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

import redis
from prometheus_client.core import GaugeMetricFamily
from pydantic import SecretStr

from monitoring.metrics import by_label, gauge
from monitoring.sources.source import PATIENCE_S

#: Five heartbeats; a busy machine is late with one.
ALIVE_S: Final = 10.0
#: How long a worker that is gone is shown as down: a container's name never comes again.
FORGOTTEN_S: Final = 3600.0
#: Where kombu publishes Celery's worker events, in whichever database of Redis.
_CHANNEL: Final = "/*.celeryev/worker.*"
_OFFLINE: Final = "worker-offline"


class WorkersSource:
    """The workers' heartbeats. A thread of its own hears them, and connects again by itself."""

    name = "workers"

    def __init__(self, url: SecretStr, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = redis.Redis.from_url(
            url.get_secret_value(), socket_connect_timeout=PATIENCE_S, health_check_interval=5
        )
        self._clock = clock
        self._seen: dict[str, float] = {}
        self._problem: Exception | None = None
        self._closed = threading.Event()
        self._listening = threading.Thread(target=self._listen, name="heartbeats", daemon=True)
        self._listening.start()

    def read(self) -> Iterator[GaugeMetricFamily]:
        """Yield which workers are up. Raises redis.RedisError where nothing can be heard."""
        if self._problem:
            raise self._problem.with_traceback(None)  # else each scrape makes its traceback longer
        now = self._clock()
        self._seen = {worker: at for worker, at in self._seen.copy().items() if now - at < FORGOTTEN_S}
        yield gauge("celery_worker_up", by_label((worker, now - at < ALIVE_S) for worker, at in self._seen.items()))

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                with self._client.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
                    channel.psubscribe(_CHANNEL)
                    while not self._closed.is_set():
                        message = channel.get_message(timeout=1)
                        self._problem = None
                        if message:
                            self._hear(message["data"])
            except Exception as error:  # noqa: BLE001  else the thread ends, and every worker looks dead
                self._problem = error
                self._closed.wait(1)

    def _hear(self, data: bytes) -> None:
        with suppress(LookupError, TypeError, ValueError, RecursionError):  # somebody else's message
            event: dict[str, Any] = json.loads(base64.b64decode(json.loads(data)["body"]))
            worker = str(event["hostname"]).removeprefix("celery@")
            self._seen[worker] = self._clock() - (ALIVE_S if event["type"] == _OFFLINE else 0)

    def close(self) -> None:
        """End the thread and close the connections."""
        self._closed.set()
        self._listening.join(timeout=2 * PATIENCE_S)
        self._client.close()
