"""What goes into text columns."""

from hypothesis import given
from hypothesis import strategies as st

from common.database.rows import storable


@given(st.text(st.characters(), max_size=50))
def test_storable_text_is_accepted_by_postgresql(text: str):
    """No NUL and no lone surrogate is left, ordinary text stays as it is, and nothing gets longer."""
    kept = storable(text, 40)
    assert "\0" not in kept
    kept.encode()
    assert len(kept) <= 40
    assert storable("Prices:\n\u20ac 5", 40) == "Prices:\n\u20ac 5"
