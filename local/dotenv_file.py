"""The person's ``.env``, read so that what is wrong in it is said with its line."""

import os
from io import StringIO
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import parse_variables

from common.errors import ConfigurationError


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of the file, none where there is no file. Raises ConfigurationError with file and line.

    ``${NAME}`` is replaced, in single quotes not, as Compose has it.
    """
    found: dict[str, str] = {}
    for binding in parse_stream(StringIO(_text(path))):
        if binding.error:
            blank = len(binding.original.string) - len(binding.original.string.lstrip())
            line = binding.original.line + binding.original.string[:blank].count("\n")
            raise _refused(path, line, "it is no NAME=value; put a value with quotes in single quotes")
        if binding.key is not None:
            found[binding.key] = _value(binding, found)
            if "\0" in found[binding.key]:
                raise _refused(path, binding.original.line, f"{binding.key} holds a NUL")
    return found


def _text(path: Path) -> str:
    try:
        if path.is_fifo():  # what is in it could be read once, and it is read by each command
            raise ConfigurationError(f"{path} cannot be read: it is a pipe, not a file.", variable=path.name)
        data = path.read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.", variable=path.name) from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _refused(path, line, "it is not UTF-8; save the file as UTF-8") from None


def _value(binding: Binding, known: dict[str, str]) -> str:
    value = binding.value or ""
    if binding.original.string.partition("=")[2].lstrip().startswith("'"):
        return value
    return "".join(atom.resolve(known | os.environ) for atom in parse_variables(value))


def _refused(path: Path, line: int, problem: str) -> ConfigurationError:
    return ConfigurationError(f"{path}, line {line}: cannot be used: {problem}.", variable=path.name)
