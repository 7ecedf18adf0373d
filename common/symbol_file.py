"""A universe of symbols in a file: ``STOCK_SYMBOLS=@FILE``. What is in the file is never shown: it may be secret."""

import re
from pathlib import Path
from typing import Final

from common.errors import ConfigurationError
from common.values import Misspelt, Symbol

#: A relative path begins here, wherever a command is started: beside .env, and in the image.
CHECKOUT: Final = Path(__file__).resolve().parent.parent
_COMMENT: Final = re.compile(r"(^|\s)#.*")  # within a word # is a part of a ticker
_SETTING: Final = re.compile(r"\s*(export\s+)?[A-Za-z]+_\w*\s*=")
#: The first line of the provider's own lists: each word of a company's name would be taken for a symbol.
_HEADER: Final = re.compile(r"\W*symbol\W*[,;\t]", re.IGNORECASE)
_MOST_BYTES: Final = 4_000_000  # the provider itself lists 13,000 symbols


def read_symbols(name: str) -> list[Symbol]:
    """Return the symbols of the file: one or several a line, separated by commas or blanks; # begins a comment.

    What can be no symbol is Misspelt, named by its line, so that it fails alone. Raises ConfigurationError, which names
    the file, where none is a symbol or a line is a setting: then it is no list.
    """
    path = CHECKOUT / name
    symbols: list[Symbol] = []
    for number, line in enumerate(_lines(path), 1):
        if number == 1 and _HEADER.match(line):
            raise _refused(f"{path} is a table with columns: keep the one of the symbols, as cut -d, -f1 does.")
        if _SETTING.match(line):
            raise _refused(f"{path}, line {number} is a setting, so it is no list of symbols.")
        symbols += (_symbol(text, path, number) for text in _COMMENT.sub("", line).replace(",", " ").split())
    if not symbols:
        raise _refused(f"{path} holds no symbol: write one a line.")
    if all(isinstance(symbol, Misspelt) for symbol in symbols):
        raise _refused(f"{path}, {symbols[0].partition(' of ')[0]}: there is no stock symbol, such as IBM or TSCO.LON.")
    return symbols


def _lines(path: Path) -> list[str]:
    try:
        if not path.is_file():
            raise _refused(f"{path} is no file: name one with a symbol a line; a relative path begins at {CHECKOUT}.")
        if path.stat().st_size > _MOST_BYTES:
            raise _refused(f"{path} is larger than {_MOST_BYTES} bytes, which no list of symbols is.")
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise _refused(f"{path} is not UTF-8: save it as UTF-8.") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        problem = error.strerror if isinstance(error, OSError) else "its name cannot be one"
        raise _refused(f"{path} cannot be read: {problem}.") from None


def _symbol(text: str, path: Path, line: int) -> Symbol:
    try:
        return Symbol(text)
    except ConfigurationError:
        return Misspelt(f"line {line} of {path.name}")


def _refused(problem: str) -> ConfigurationError:
    return ConfigurationError(f"STOCK_SYMBOLS=@FILE cannot be used: {problem}", variable="STOCK_SYMBOLS")
