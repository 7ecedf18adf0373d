"""Answers as they are sent: made once for all readers, kept while nothing has changed, packed, and named by an ETag.

Airflow's API server would pack each answer anew in its event loop; one that is packed already it lets pass.
"""

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Final, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

#: Two clicks apart: what costs more CPU saves little on the wire.
_LEVEL: Final = 3
#: Shorter ones are no smaller when they are packed.
_WORTH_PACKING: Final = 1000
_MOST_BYTES: Final = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Answer:
    """A body, the same packed (empty: not worth it), and its name."""

    body: bytes
    packed: bytes
    etag: str
    media_type: str

    @classmethod
    def of(cls, body: bytes, media_type: str) -> "Answer":
        """Pack and name a body."""
        packed = gzip.compress(body, _LEVEL, mtime=0) if len(body) >= _WORTH_PACKING else b""
        return cls(body, packed, f'W/"{hashlib.sha256(body).hexdigest()[:20]}"', media_type)

    def respond(self, request: Request) -> Response:
        """Return what this reader gets: the body, packed where it can unpack, or 304 where it has it already."""
        headers = {"ETag": self.etag, "Cache-Control": "private, no-cache", "Vary": "Accept-Encoding, Cookie"}
        if _names(request.headers.get("if-none-match", ""), self.etag):
            return Response(status_code=304, headers=headers)
        if self.packed and "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(self.packed, media_type=self.media_type, headers=headers)
        return Response(self.body, media_type=self.media_type, headers=headers)


def _names(header: str, etag: str) -> bool:
    """Whether If-None-Match names the ETag; compared weakly, as the header's standard has it."""
    asked = {part.strip().removeprefix("W/") for part in header.split(",")}
    return "*" in asked or etag.removeprefix("W/") in asked


T = TypeVar("T")


class Latest(Generic[T]):
    """One value at its newest version, made by one thread while the others wait for it. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: tuple[Hashable, T] | None = None

    def get(self, version: Hashable, make: Callable[[], T]) -> T:
        """Return the value at this version; raises what ``make`` raises."""
        with self._lock:
            if self._kept is None or self._kept[0] != version:
                self._kept = version, make()
            return self._kept[1]


class Answers:
    """The newest answers, at most ``most_bytes`` of them. Thread-safe."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, tuple[Hashable, Answer]] = OrderedDict()
        self._under_way: dict[Hashable, Future[Answer]] = {}

    def get(self, key: Hashable, version: Hashable, make: Callable[[], Answer]) -> Answer:
        """Return the answer to ``key`` at this version: a kept one, or one that is made once for all who ask meanwhile.

        Raises what ``make`` raises, in each of them.
        """
        with self._lock:
            if (kept := self._kept.get(key)) and kept[0] == version:
                self._kept.move_to_end(key)
                return kept[1]
            future = self._under_way.get((key, version))
            if mine := future is None:
                future = self._under_way[key, version] = Future()
        if not mine:
            return future.result()
        try:
            answer = make()
        except BaseException as error:
            future.set_exception(error)
            self._forget(key, version)
            raise
        self._keep(key, version, answer)
        future.set_result(answer)
        return answer

    def _forget(self, key: Hashable, version: Hashable) -> None:
        with self._lock:
            del self._under_way[key, version]

    def _keep(self, key: Hashable, version: Hashable, answer: Answer) -> None:
        with self._lock:
            del self._under_way[key, version]
            if former := self._kept.pop(key, None):
                self._bytes -= _size(former[1])
            self._kept[key] = version, answer
            self._bytes += _size(answer)
            while self._bytes > self._most_bytes:
                _, (_, oldest) = self._kept.popitem(last=False)
                self._bytes -= _size(oldest)


def _size(answer: Answer) -> int:
    return len(answer.body) + len(answer.packed)
