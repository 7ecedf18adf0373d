"""Answers as they are sent: made once for all readers, kept while nothing has changed, packed, and named by an ETag.

Airflow's API server would pack each answer again in its event loop; one that is packed already it lets pass.
"""

import gzip
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from time import monotonic
from typing import Final, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response

#: The quickest: the others take three times as long and save a tenth.
_LEVEL: Final = 1
#: Shorter ones are no smaller when they are packed.
_WORTH_PACKING: Final = 1000
_MOST_BYTES: Final = 32 * 2**20
#: About what the objects around a kept answer take, so that many small ones are bounded too.
_ENTRY_BYTES: Final = 1000
#: What takes longer (s) rests that many times as long before it is made again, however fast the tables change.
_CHEAP_S: Final = 0.1
_PAUSES: Final = 4


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


@dataclass(frozen=True, slots=True)
class Made(Generic[T]):
    """A value, what it was made of, and when it is worth making a newer one (on the monotonic clock)."""

    value: T
    version: Hashable
    due_at: float

    @classmethod
    def of(cls, version: Hashable, make: Callable[[], T]) -> "Made[T]":
        """Make the value; what takes long is made again only after a while, so that it takes a fifth of the time."""
        begun = monotonic()
        value = make()
        cost = monotonic() - begun
        return cls(value, version, monotonic() + (_PAUSES * cost if cost > _CHEAP_S else 0))

    def serves(self, version: Hashable) -> bool:
        """Whether there is nothing newer, or it is too early for that."""
        return self.version == version or monotonic() < self.due_at


class Latest(Generic[T]):
    """One value at its newest version, made by one thread; the others have the one before, or wait for the first."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: Made[T] | None = None

    def get(self, version: Hashable, make: Callable[[], T]) -> Made[T]:
        """Return the value at this version, or one a little older; raises what ``make`` raises."""
        kept = self._kept
        if kept and (kept.serves(version) or not self._lock.acquire(blocking=False)):
            return kept
        if not kept:
            self._lock.acquire()
        try:
            if not (self._kept and self._kept.serves(version)):
                self._kept = Made.of(version, make)
            return self._kept
        finally:
            self._lock.release()


class Answers:
    """The newest answers, in at most about ``most_bytes`` of memory. Thread-safe."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._lock = Lock()
        self._kept: OrderedDict[Hashable, Made[Answer]] = OrderedDict()
        self._under_way: dict[Hashable, Future[Answer]] = {}

    def get(self, key: Hashable, version: Hashable, make: Callable[[], Answer]) -> Answer:
        """Return the answer to ``key`` at this version, or one a little older.

        One thread makes it for all who ask meanwhile: they have the one before, or wait for the first. Raises what
        ``make`` raises, in each of them that waits.
        """
        with self._lock:
            kept = self._kept.get(key)
            future = self._under_way.get(key)
            if kept and (future or kept.serves(version)):
                self._kept.move_to_end(key)
                return kept.value
            if mine := future is None:
                future = self._under_way[key] = Future()
        return self._make(key, version, make, future) if mine else future.result()

    def _make(self, key: Hashable, version: Hashable, make: Callable[[], Answer], future: Future[Answer]) -> Answer:
        try:
            made = Made.of(version, make)
        except BaseException as error:
            with self._lock:
                del self._under_way[key]
            future.set_exception(error)
            raise
        with self._lock:
            del self._under_way[key]
            self._keep(key, made)
        future.set_result(made.value)
        return made.value

    def _keep(self, key: Hashable, made: Made[Answer]) -> None:
        """Keep an answer in place of the one before, and let the oldest go where there are too many."""
        if former := self._kept.pop(key, None):
            self._bytes -= _size(key, former.value)
        self._kept[key] = made
        self._bytes += _size(key, made.value)
        while self._bytes > self._most_bytes:
            oldest, gone = self._kept.popitem(last=False)
            self._bytes -= _size(oldest, gone.value)


def _size(key: Hashable, answer: Answer) -> int:
    """Return about how many bytes are kept for an answer; a key holds whatever its reader wrote into the address."""
    return _ENTRY_BYTES + len(repr(key)) + len(answer.body) + len(answer.packed)
