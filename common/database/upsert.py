"""The upsert of every table but the quotes', made from its ``Table`` and held by an approved file of the tests.

A row that is stored already with these values, or newer, is left out before it is even locked. The same test stands in
the conflict clause, for a row that another transaction wrote since the statement began. The version alone is no change,
so a row keeps the time at which its values were first seen. Ordered by key: two writers take their locks in one order
and cannot deadlock.
"""

from collections.abc import Iterable
from functools import cache

from common.datasets.dataset import Table


@cache
def upsert(table: Table) -> str:
    """Return the statement that stores rows of ``table``, each key once.

    It takes ``rows``, a JSON array of objects with the columns' names, and returns the key of each row that changed and
    whether it was inserted (else updated).
    """
    names, key = _lines(table.columns), ", ".join(table.key)
    types = _lines(f"{name} {kind}" for name, kind in table.columns.items())
    changed = [
        f"{name} = {_kept(table, name, 'excluded', 'stored')}" for name in table.columns if name not in table.key
    ]
    revived = [f"{table.withdrawn} = NULL"] if table.withdrawn else []
    return f"""
INSERT INTO {table.name} AS stored ({names})
SELECT{names}FROM json_to_recordset(%(rows)s) AS incoming ({types})
WHERE NOT EXISTS (
    SELECT FROM {table.name} AS present
    WHERE ({_of("present", table.key)}) = ({_of("incoming", table.key)}) AND ({_no_news(table)})
)
ORDER BY {key}
ON CONFLICT ({key}) DO UPDATE SET{_lines([*changed, *revived, "updated_at = now()"])}WHERE {_is_news(table)}
RETURNING {key}, xmax = 0 AS inserted;
""".strip()


@cache
def insert_missing(table: Table) -> str:
    """Return the statement that stores those rows of ``table`` whose keys it does not have, and changes no other.

    It takes ``rows`` as ``upsert`` does, and returns the key of each row that it inserted.
    """
    names, key = _lines(table.columns), ", ".join(table.key)
    types = _lines(f"{name} {kind}" for name, kind in table.columns.items())
    return f"""
INSERT INTO {table.name} ({names})
SELECT{names}FROM json_to_recordset(%(rows)s) AS incoming ({types})
ORDER BY {key}
ON CONFLICT ({key}) DO NOTHING
RETURNING {key};
""".strip()


@cache
def withdraw(table: Table) -> str:
    """Return the statement that marks the rows which the provider's whole list of a kind no longer has.

    It takes ``rows``, a list as a JSON array, and returns the key of each row that it marks. Of a symbol and kind
    without any row in it nothing is marked: an empty list is also how the provider answers for what it does not know.
    """
    key, types = ", ".join(table.key), ", ".join(f"{name} {table.columns[name]}" for name in table.key)
    return f"""
WITH incoming AS (
    SELECT {key} FROM json_to_recordset(%(rows)s) AS incoming ({types})
)

UPDATE {table.name} AS stored SET {table.withdrawn} = now(), updated_at = now()
WHERE stored.{table.withdrawn} IS NULL
  AND (stored.symbol, stored.kind) IN (SELECT symbol, kind FROM incoming)
  AND ({_of("stored", table.key)}) NOT IN (SELECT {key} FROM incoming)
RETURNING {_of("stored", table.key)};
""".strip()


@cache
def latest_sessions(table: Table) -> str:
    """Return the statement that tells the newest stored trading day of each symbol that has one.

    It takes ``symbols``, a JSON array of strings, each once. It descends the index once for each.
    """
    return f"""
SELECT asked.symbol, newest.{table.session}
FROM json_array_elements_text(%(symbols)s) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT {table.session} FROM {table.name} AS stored
    WHERE stored.symbol = asked.symbol COLLATE "C"
    ORDER BY {table.session} DESC LIMIT 1
) AS newest;
""".strip()


def _lines(parts: Iterable[str]) -> str:
    return "\n    " + ",\n    ".join(parts) + "\n"


def _no_news(table: Table) -> str:
    """Return when an incoming row changes nothing of the present one: it is older, or says the same."""
    incoming = _lines(_kept(table, name, "incoming", "present") for name in table.values)
    same = f"({_lines(f'present.{name}' for name in table.values)}) IS NOT DISTINCT FROM ({incoming})"
    if table.withdrawn:
        same = f"({same} AND present.{table.withdrawn} IS NULL)"
    return f"present.{table.version} > incoming.{table.version} OR {same}" if table.version else same


def _is_news(table: Table) -> str:
    excluded = _lines(_kept(table, name, "excluded", "stored") for name in table.values)
    differs = f"({_lines(f'stored.{name}' for name in table.values)}) IS DISTINCT FROM ({excluded})"
    if table.withdrawn:
        differs = f"({differs} OR stored.{table.withdrawn} IS NOT NULL)"
    return f"stored.{table.version} <= excluded.{table.version} AND {differs}" if table.version else differs


def _kept(table: Table, name: str, new: str, old: str) -> str:
    return f"coalesce({new}.{name}, {old}.{name})" if name in table.keep else f"{new}.{name}"


def _of(row: str, names: tuple[str, ...]) -> str:
    return ", ".join(f"{row}.{name}" for name in names)
