"""What is exported: a table or view as the catalogue describes it, and which of its rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from common.database.queries import fetch_one, statement
from common.errors import NotExportable
from common.values import Symbol

#: The columns that say which trading day a row is of.
_DAYS: Final = ("session", "latest_trading_day", "ex_date")
#: Types that a file has too; the others are exported as text.
_KEPT_TYPES: Final = (
    "bigint", "boolean", "bytea", "character varying", "date", "integer", "numeric", "smallint", "text",
    "timestamp with time zone",
)  # fmt: skip
_WITH_INFINITY: Final = ("date", "timestamp with time zone")
#: The views that can be shown as they stood, and what answers that: former values of other tables are not kept.
_WITH_PAST: Final = {"latest_quotes": "latest_quotes_as_of", "price_history": "daily_bars_as_of"}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows: of these symbols (None: of all), from ``first`` to ``last`` (both included).

    ``as_of`` (aware): as they stood at that time; for ``price_history`` and ``latest_quotes`` alone.
    """

    relation: str
    symbols: tuple[Symbol, ...] | None = None
    first: date | None = None
    last: date | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its SQL type, its place in the primary key from 0 on, and what its comment says."""

    name: str
    type: str
    nullable: bool
    key: int | None
    meaning: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view and its columns, in their order."""

    name: str
    is_view: bool
    meaning: str
    columns: Sequence[Column]

    def has(self, name: str) -> bool:
        """Whether it has a column of that name."""
        return any(column.name == name for column in self.columns)

    @property
    def day(self) -> str | None:
        """The column with the trading day, None where it has none."""
        return next(filter(self.has, _DAYS), None)

    @property
    def order(self) -> Sequence[str]:
        """The columns that give its rows one order: the primary key, or a view's symbol and day, else all."""
        key = sorted((column.key, column.name) for column in self.columns if column.key is not None)
        order = [name for _, name in key] or [name for name in ("symbol", self.day) if name and self.has(name)]
        return order or [column.name for column in self.columns]

    def rows(self, selection: Selection, *, finite: bool) -> sql.Composed:
        """Return the query for the rows. Raises NotExportable for a choice that the relation does not have.

        ``finite``: in place of infinity, days of the years 1 and 9999, for what has no infinity.
        """
        names = [_read_as(column, finite=finite) for column in self.columns]
        order = (sql.Identifier("exported", name) for name in self.order)
        text = statement("export_rows").removesuffix(";")
        return sql.SQL(text).format(
            columns=sql.SQL(", ").join(names), order=sql.SQL(", ").join(order), **self._where(selection)
        )

    def symbols(self, selection: Selection) -> sql.Composed:
        """Return the query for the symbols that have rows of the selection."""
        return sql.SQL(statement("export_symbols")).format(**self._where(selection))

    def _where(self, selection: Selection) -> dict[str, sql.Composable]:
        conditions = sql.SQL(" AND ").join([sql.SQL("true"), *self._conditions(selection)])
        return {"source": self._source(selection.as_of), "conditions": conditions}

    def _source(self, as_of: datetime | None) -> sql.Composable:
        if as_of is None:
            return sql.Identifier("public", self.name)
        if self.name not in _WITH_PAST:
            names = " and ".join(_WITH_PAST)
            raise NotExportable(f"{self.name} cannot be shown as it stood: --as-of goes with {names} alone.")
        return sql.SQL("{}({})").format(sql.Identifier("public", _WITH_PAST[self.name]), sql.Literal(as_of))

    def _conditions(self, selection: Selection) -> Iterator[sql.Composable]:
        if selection.symbols is not None:
            if not self.has("symbol"):
                raise NotExportable(f"{self.name} has no symbols to choose from: leave out --symbols.")
            symbols = sql.Literal([str(symbol) for symbol in selection.symbols])
            yield sql.SQL('symbol = ANY ({}::text[] COLLATE "C")').format(symbols)
        for bound, compared in ((selection.first, ">="), (selection.last, "<=")):
            if bound is not None:
                if not self.day:
                    raise NotExportable(f"{self.name} has no trading day: leave out --from and --to-date.")
                yield sql.SQL(f"{{}} {compared} {{}}").format(sql.Identifier(self.day), sql.Literal(bound))


def _read_as(column: Column, *, finite: bool) -> sql.Composable:
    name = sql.Identifier(column.name)
    if finite and column.type in _WITH_INFINITY:
        return sql.SQL(statement("finite_time")).format(column=name)
    return name if column.type.startswith(_KEPT_TYPES) else sql.SQL("{0}::text AS {0}").format(name)


def relation_names(cursor: Cursor) -> list[str]:
    """Return the names of the tables and views that can be exported, sorted."""
    cursor.execute(statement("exportable_relations"))
    return [name for (name,) in cursor.fetchall()]


def read_relation(cursor: Cursor, name: str) -> Relation:
    """Read a relation from the catalogue. Raises NotExportable with the names that there are."""
    names = relation_names(cursor)
    if name not in names:
        raise NotExportable(f"there is no table or view {name[:64]!r}; there are: {', '.join(names)}.")
    cursor.execute(statement("relation_comment"), {"relation": name})
    kind, meaning = fetch_one(cursor)
    cursor.execute(statement("relation_columns"), {"relation": name})
    return Relation(name, kind == "v", meaning, [Column(*row) for row in cursor.fetchall()])
