"""What the routes share: the database, the calendars, the quota, and the answers that were computed already."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Self

import msgspec
from fastapi import Depends, Request
from starlette.responses import Response

from common.quota.view import QuotaView
from common.settings import PageSettings
from plugins.market.answers import Answer, Answers, Latest
from plugins.market.csv_twin import write_csv
from plugins.market.freshness import Calendars
from plugins.market.reader import Reader

JSON: Final = "application/json"
CSV: Final = "text/csv; charset=utf-8"
#: Prices are exact up to here; a reader of JSON makes of them what it can.
_encode = msgspec.json.Encoder(decimal_format="number").encode

Document = Mapping[str, Any]
Table = tuple[Sequence[str], Iterable[Sequence[object]]]


@dataclass
class Page:
    """The collaborators of one process.

    ``key_digest`` stands for the key whose calls are shown. ``invented``: whether the sandbox made the prices.
    """

    reader: Reader
    calendars: Calendars
    quota: QuotaView
    key_digest: str
    database: str
    invented: bool
    answers: Answers = field(default_factory=Answers)
    symbols: Latest[Any] = field(default_factory=Latest)  # the rows of all symbols

    @classmethod
    def from_settings(cls, settings: PageSettings) -> Self:
        """Wire what the settings say. Nothing connects before it is used."""
        return cls(
            Reader(settings.market_dsn),
            Calendars(timedelta(seconds=settings.session_grace)),
            QuotaView(settings.redis_dsn, settings.quota, key_digest=settings.key_digest),
            settings.key_digest,
            settings.market_database,
            settings.uses_sandbox,
        )

    def json(
        self, request: Request, tables: Sequence[str], make: Callable[[], Document], *more: object, reader: str = ""
    ) -> Response:
        """Answer with a document; it is made again once one of the tables has changed, or one of ``more``.

        ``reader``: whose it is, where it is not the same for all: nobody else is given it.
        """
        return self._answer(request, tables, more, lambda: Answer.of(_encode(make()), JSON), reader)

    def csv(self, request: Request, tables: Sequence[str], make: Callable[[], Table], *more: object) -> Response:
        """Answer with the same as a file: a heading and rows."""
        return self._answer(request, tables, more, lambda: Answer.of(write_csv(*make()), CSV))

    def _answer(
        self,
        request: Request,
        tables: Sequence[str],
        more: Sequence[object],
        make: Callable[[], Answer],
        reader: str = "",
    ) -> Response:
        sessions = tuple(session.day for session in self.calendars.expected().values())
        version = (self.reader.version(tables), sessions, *more)
        return self.answers.get((request.url.path, request.url.query, reader), version, make).respond(request)

    def close(self) -> None:
        """Close the connections."""
        self.reader.close()
        self.quota.close()


# Asynchronous, because each plain function among the dependencies would take a thread.
async def page_of(request: Request) -> Page:
    """Return the page that the app was made with."""
    page: Page = request.app.state.page
    return page


async def user_of(request: Request) -> str | None:
    """Return the name of the person who is logged in, as the guard found it."""
    user: str | None = request.state.user
    return user


PageDep = Annotated[Page, Depends(page_of)]
User = Annotated[str | None, Depends(user_of)]


def now() -> datetime:
    """Return the time that an answer was computed at, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
