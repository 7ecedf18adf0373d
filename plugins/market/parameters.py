"""The parameters that several routes take, as the OpenAPI document describes them; common.values.Symbol decides."""

from typing import Annotated, Final

from fastapi import HTTPException, Path
from pydantic import Field

from common.values import Symbol

#: Symbol's rule, in lower case too; a client's form may know it, and pydantic's own patterns know no look-ahead.
_SYMBOL: Final = r"(?=[^,]*[A-Za-z0-9])[A-Za-z0-9.^$*#&-][A-Za-z0-9.^=/&$+*':()#~%!@-]{0,31}"
#: Longer than any symbol: what is refused for its length alone is not quoted whole.
_MOST_CHARACTERS: Final = 64
_EXAMPLE: Final = "A ticker as the provider writes it, such as IBM or TSCO.LON."

SymbolPath = Annotated[
    str, Path(max_length=_MOST_CHARACTERS, description=_EXAMPLE, json_schema_extra={"pattern": f"^{_SYMBOL}$"})
]
OneSymbol = Annotated[
    str, Field(max_length=_MOST_CHARACTERS, description=_EXAMPLE, json_schema_extra={"pattern": f"^({_SYMBOL})?$"})
]
RunPath = Annotated[
    str,
    Path(
        max_length=500,
        pattern=r"^[^\x00-\x1f]+$",
        description="A run as the ledger names it, such as history:manual__…",
    ),
]


def symbols_pattern(most: int) -> str:
    """Return the pattern of a list of up to ``most`` symbols with commas between them."""
    return f"^{_SYMBOL}(,{_SYMBOL}){{0,{most - 1}}}$"


def some_symbols(text: str, most: int) -> list[Symbol]:
    """Return the symbols of such a list, each once; 400 for too many. Raises ConfigurationError as Symbol does."""
    symbols = list(dict.fromkeys(Symbol(part) for part in text.split(",")))
    if len(symbols) > most:
        raise HTTPException(400, f"{len(symbols)} symbols are too many: ask for up to {most} at once.")
    return symbols
