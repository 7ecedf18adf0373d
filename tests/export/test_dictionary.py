"""The data dictionary says what is in the database, column by column."""

import os
from contextlib import closing
from pathlib import Path

from common.export.dictionary import data_dictionary
from common.export.relation import read_relation, relation_names

PAGE = Path(__file__).resolve().parents[2] / "docs" / "data-dictionary.md"


def test_the_page_is_the_database(market):
    """docs/data-dictionary.md is what the migrated database says of itself; WRITE_DICTIONARY=1 writes it."""
    with closing(market.connect(market.reader)) as session, session.cursor() as cursor:
        page = data_dictionary(cursor)
    if os.environ.get("WRITE_DICTIONARY"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text("utf-8") == page


def test_every_column_is_explained(market):
    """No table, view or column is without a comment."""
    with closing(market.connect(market.reader)) as session, session.cursor() as cursor:
        relations = [read_relation(cursor, name) for name in relation_names(cursor)]
    silent = [f"{each.name}.{column.name}" for each in relations for column in each.columns if not column.meaning]
    assert silent + [each.name for each in relations if not each.meaning] == []
