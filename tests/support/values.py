"""Values as people write them: passwords and paths with everything that some program takes for its own syntax."""

import os
from typing import Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

#: How many values are generated; `make test-quoting` asks for 500.
COUNT: Final = int(os.environ.get("QUOTED_VALUES", "40"))

_SYNTAX: Final = st.sampled_from(
    [*" \t'\"`,%$#\\:@/;=&?+!*~{}[]()<>|^", "%s", "${A}", "$A", "%(here)s", " ;", " #", "\\'"]
)
_WORDS: Final = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=12)
_ASCII: Final = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
_PIECES: Final = st.lists(st.one_of(_SYNTAX, _ASCII, _WORDS), min_size=1, max_size=24)
PASSWORDS: Final = _PIECES.map("".join).map(lambda text: text[:200])
#: One part of a path: a folder's name, at most 255 bytes.
FOLDERS: Final = PASSWORDS.map(lambda text: text.replace("/", "-")[:60]).filter(lambda text: text not in {".", ".."})

WRITTEN: Final = (
    "pass word", "it's", "p@ss:w/rd#1%", "a,b", "50%", "%(here)s %%", "$HOME ${HOME} $$", "end\\", "\\'", "a ;b #c",
    "#first", ";first", " first", "last ", "\ttab\t", "'quoted'", '"quoted"', "'\"", 'say "hi"', "Grüße ß ﬀ 日本",
    "\u00a0#\u2028;", "~", "`id`", "$(id)", "\\n\\x41", "{SHA}x", "user:name", "=", "a\\\\'b", "*", "x" * 200,
)  # fmt: skip


def generated(strategy: st.SearchStrategy[str], count: int = COUNT) -> list[str]:
    """Return so many different values of the strategy, without those that are refused everywhere."""
    found: dict[str, None] = {}

    @settings(
        max_examples=count * 2,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(strategy)
    def collect(value: str) -> None:
        found[value] = None

    collect()
    return list(found)[:count]


def passwords(count: int = COUNT) -> list[str]:
    """Return the written passwords and ``count`` generated ones."""
    return [*WRITTEN, *generated(PASSWORDS, count)]


def folders(count: int = COUNT) -> list[str]:
    """Return the written names of folders and ``count`` generated ones."""
    return [*(name.replace("/", "-") for name in WRITTEN), *generated(FOLDERS, count)]
