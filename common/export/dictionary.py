"""The data dictionary: every table, view and column, as a page of Markdown that is made from the catalogue."""

from collections.abc import Iterable, Iterator
from typing import Final

from psycopg2.extensions import cursor as Cursor

from common.export.relation import Column, Relation, read_relation, relation_names

_HEAD: Final = """\
# Data dictionary

Every table and view of the market database, made from the comments that the migrations put there; a test holds the two
together. Times are in UTC to the microsecond, days are dates of the exchange, prices are exact decimals in the
exchange's unit, which is not always its currency: London's are pence. `PK` marks the primary key.
"""


def data_dictionary(cursor: Cursor) -> str:
    """Return the page for the database that the cursor reads."""
    relations = [read_relation(cursor, name) for name in relation_names(cursor)]
    views = [relation for relation in relations if relation.is_view]
    tables = [relation for relation in relations if not relation.is_view]
    return "\n".join([_HEAD, "## Views\n", *_sections(views), "## Tables\n", *_sections(tables)])


def _sections(relations: Iterable[Relation]) -> Iterator[str]:
    for relation in relations:
        yield f"### {relation.name}\n\n{relation.meaning}\n\n| column | type | | meaning |\n|---|---|---|---|"
        yield "\n".join(_row(column, is_view=relation.is_view) for column in relation.columns) + "\n"


def _row(column: Column, *, is_view: bool) -> str:
    may_be_null = column.nullable and not is_view  # of a view's columns the catalogue does not know it
    marks = "PK" if column.key is not None else "may be null" if may_be_null else ""
    return f"| {column.name} | {column.type} | {marks} | {column.meaning} |"
