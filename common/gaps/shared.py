"""A session that many symbols of an exchange lack is one finding: the provider lost a day, or the calendar is wrong."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from common.gaps.gap import Look

#: Of fewer symbols a share says nothing.
_ENOUGH: Final = 20
_SHARE: Final = 0.05


@dataclass(frozen=True, slots=True)
class MissingSession:
    """A session of an exchange of which ``missing`` of the ``symbols`` have no bar; ``resolved``: only few, by now."""

    exchange: str
    session: date
    missing: int
    symbols: int
    resolved: bool = False


def judge_sessions(
    exchange: str,
    looks: Sequence[Look],
    sessions: Sequence[date],
    known: Collection[date],
    spans: Sequence[tuple[date, date]],
) -> list[MissingSession]:
    """Return the sessions that more than a twentieth of the symbols lack, and what became of the ``known`` ones.

    ``spans``: from which bar to which the exchange's symbols have some, whether they were looked at or not. Of old
    sessions only symbols with gaps are looked at again, and among them alone many may lack what hardly any other does.
    A known one is judged by those that were looked at: of the others nobody knows whether they have it by now.
    Where fewer than twenty symbols have bars around a session, nothing is said of it.
    """
    missing = Counter(session for look in looks for session in look.missing)
    looked_at = _spanning([(look.first_session, look.last_session) for look in looks], sessions)
    spanning = _spanning(spans, sessions) | {session: looked_at.get(session, 0) for session in known}
    judged = (
        MissingSession(exchange, session, missing[session], spanning[session], _few(missing, spanning, session))
        for session in sorted(missing.keys() | known)
        if spanning.get(session, 0) >= _ENOUGH
    )
    return [each for each in judged if not each.resolved or each.session in known]


def _few(missing: Mapping[date, int], spanning: Mapping[date, int], session: date) -> bool:
    return missing[session] <= _SHARE * spanning[session]


def _spanning(spans: Sequence[tuple[date, date]], sessions: Sequence[date]) -> dict[date, int]:
    """Count for each session the symbols that have a bar before and one after it."""
    begin = Counter(first for first, _ in spans)
    end = Counter(last for _, last in spans)
    return dict(_running(begin, end, sessions))


def _running(begin: Counter[date], end: Counter[date], sessions: Sequence[date]) -> Iterator[tuple[date, int]]:
    marks = sorted(begin.keys() | end.keys() | set(sessions))
    inside = 0
    for day in marks:
        inside -= end[day]
        yield day, inside
        inside += begin[day]
