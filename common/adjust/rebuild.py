"""The factors in the database: computed again, in the transaction that changed an action or the bars beside it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from psycopg2.extensions import cursor as Cursor

from common.adjust.factors import ALWAYS, FOREVER, Adjustment, adjust
from common.database.queries import statement
from common.database.rows import as_json
from common.datasets import daily_bars
from common.datasets.corporate_actions import ACTIONS, CorporateAction
from common.datasets.dataset import Table
from common.values import Symbol

#: How many symbols are computed together where there may be thousands: about a second's work.
_BATCH: Final = 500
_ENDS: Final = {ALWAYS: "-infinity", FOREVER: "infinity"}


def refresh_factors(cursor: Cursor, changed: Mapping[Table, Collection[tuple[Any, ...]]]) -> None:
    """Compute the factors of the symbols whose actions changed, or whose bars beside an ex-date did.

    ``changed``: the keys of the rows that this transaction changed, by their tables; of bars the first and the last
    session of each symbol suffice. Costs nothing where no action and no bar changed.
    """
    spans = _spans(changed.get(daily_bars.TABLE, ()))
    spans |= {key[0]: (None, None) for key in changed.get(ACTIONS, ())}
    if spans:
        _refresh(cursor, spans)


def fill_factors(cursor: Cursor) -> int:
    """Compute the factors of some symbols that have bars and none yet; return of how many. 0: every symbol has them."""
    cursor.execute(statement("symbols_without_factors"), {"row_limit": _BATCH})
    symbols = [symbol for (symbol,) in cursor.fetchall()]
    if symbols:
        _refresh(cursor, dict.fromkeys(symbols, (None, None)))
    return len(symbols)


def recompute_factors(cursor: Cursor, symbols: Collection[str]) -> list[str]:
    """Compute the factors of symbols by today's formula, whatever changed; return those that have others now."""
    return _refresh(cursor, dict.fromkeys(symbols, (None, None)))


Spans = dict[str, tuple[date | None, date | None]]


def _spans(keys: Iterable[tuple[Any, ...]]) -> Spans:
    sessions: defaultdict[str, list[date]] = defaultdict(list)
    for symbol, session in keys:
        sessions[symbol].append(session)
    return {symbol: (min(days), max(days)) for symbol, days in sessions.items()}


def _refresh(cursor: Cursor, spans: Spans) -> list[str]:
    """Compute and write; return the symbols whose factors are others now."""
    cursor.execute(statement("lock_factors"), {"symbols": list(spans)})
    rows = [{"symbol": symbol, "first": first, "last": last} for symbol, (first, last) in spans.items()]
    cursor.execute(statement("actions_to_adjust_for"), {"rows": as_json(rows)})
    adjustments = {
        symbol: _adjustment(Symbol(symbol), list(group)) for symbol, group in groupby(cursor.fetchall(), itemgetter(0))
    }
    if not adjustments:
        return []
    symbols = list(adjustments)
    cursor.execute(statement("write_findings"), {"symbols": symbols, "rows": as_json(_findings(adjustments))})
    cursor.execute(statement("write_factors"), {"symbols": symbols, "rows": as_json(_segments(adjustments))})
    return sorted(symbol for (symbol,) in cursor.fetchall())


def _adjustment(symbol: Symbol, rows: Iterable[tuple[Any, ...]]) -> Adjustment:
    closes, actions = dict[date, Decimal](), list[CorporateAction]()
    for _, kind, ex_date, numerator, denominator, amount, *bars in rows:
        if kind:
            actions.append(CorporateAction(symbol, kind, ex_date, 0, numerator, denominator, amount))
            closes |= {session: close for session, close in (bars[:2], bars[2:]) if session}
    return adjust(closes, actions)


def _segments(adjustments: Mapping[str, Adjustment]) -> Iterable[dict[str, object]]:
    for symbol, adjustment in adjustments.items():
        for segment in adjustment.segments:
            yield {
                "symbol": symbol,
                "valid_from": _ENDS.get(segment.valid_from, segment.valid_from),
                "valid_before": _ENDS.get(segment.valid_before, segment.valid_before),
                "split_factor": segment.split_factor,
                "total_factor": segment.total_factor,
            }


def _findings(adjustments: Mapping[str, Adjustment]) -> Iterable[dict[str, object]]:
    for symbol, adjustment in adjustments.items():
        for finding in adjustment.findings:
            yield {"symbol": symbol, "session": finding.session, "code": finding.code, "message": finding.message}
