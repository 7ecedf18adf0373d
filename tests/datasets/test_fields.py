"""One value of a reply: what every kind of it owes to the column that it goes to."""

from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from common.datasets.fields import Day, OrNone, Text


@pytest.mark.parametrize("text", ["a\x00b", "\ud83d", 7, None, ["a"]])
def test_what_no_column_holds(text: object):
    """PostgreSQL takes neither NUL nor half of a surrogate pair, so a text with one is refused like what is none."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Text).validate_python(text)
    assert [error["type"] for error in caught.value.errors()] == ["not_text"]
    assert TypeAdapter(Text).validate_python("\U0001f600 Ж\t") == "\U0001f600 Ж\t"


@pytest.mark.parametrize("word", ["None", " none ", "null", "-", "", "N/A"])
def test_a_word_for_nothing(word: str):
    """Where a value may be missing, each of the provider's words for that is None; a bad value stays one."""
    optional = TypeAdapter[object](Annotated[Day | None, OrNone])
    assert optional.validate_python(word) is None
    with pytest.raises(ValidationError, match="not a date"):
        optional.validate_python("soon")
