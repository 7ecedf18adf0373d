"""Where a variable's value comes from: the environment, or the file that ``NAME_FILE`` names.

A malformed value raises ConfigurationError that names the variable, the value (unless it is a secret) and what to write
instead. An empty variable counts as not set.
"""

import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError

from common.errors import ConfigurationError

_MAX_SECRET_LENGTH: Final = 10_000
_COMMAND_TIMEOUT_S: Final = 10


def read_variable(source: Mapping[str, str], name: str) -> str:
    """Return the variable, or the content of the file that ``NAME_FILE`` names; '' if neither is set."""
    if value := source.get(name, "").strip():
        return value
    path = source.get(f"{name}_FILE", "").strip()
    if not path:
        return ""
    if Path(path).is_fifo():
        raise ConfigurationError(
            f"{name}_FILE={path!r} is a pipe, which can be read once, and every process reads it: name a file.",
            variable=f"{name}_FILE",
        )
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            text = file.read(_MAX_SECRET_LENGTH + 1)
    except (OSError, ValueError) as error:  # ValueError: bytes that are no UTF-8, or a NUL in the path
        problem = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(
            f"{name}_FILE={path!r} cannot be read: {problem}. Mount the secret there, or unset the variable.",
            variable=f"{name}_FILE",
        ) from None
    if len(text) > _MAX_SECRET_LENGTH:
        raise ConfigurationError(f"{name}_FILE={path!r} is longer than a secret can be.", variable=f"{name}_FILE")
    return text.strip()


def read_variable_or_command(source: Mapping[str, str], name: str) -> str:
    """Return one of Airflow's variables, or what the command in ``NAME_CMD`` prints, as Airflow does in each process.

    '' if neither is set. Raises ConfigurationError.
    """
    command = source.get(f"{name}_CMD", "")
    if (value := source.get(name, "")) or not command:
        return value
    try:
        done = subprocess.run(  # noqa: S603  Airflow's own setting
            shlex.split(command), capture_output=True, text=True, check=True, timeout=_COMMAND_TIMEOUT_S
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:  # its text may hold what the command printed
        raise ConfigurationError(
            f"the command in {name}_CMD fails ({type(error).__name__}): it must print the address.",
            variable=f"{name}_CMD",
        ) from None
    return done.stdout.strip()


_Model = TypeVar("_Model", bound=BaseModel)


def read(model: type[_Model], source: Mapping[str, str], read: Callable[[Mapping[str, str], str], str]) -> _Model:
    """Build ``model`` from the variables named like its fields; an empty one takes the default."""
    values = {name: text for name in model.model_fields if (text := read(source, name.upper()).strip())}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise _explain(error, model, values) from None


def _explain(error: ValidationError, model: type[BaseModel], values: Mapping[str, str]) -> ConfigurationError:
    """Turn the first of pydantic's errors into one sentence that names the variable and the value."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    annotation = model.model_fields[name].annotation if name else None
    shown = "" if annotation is SecretStr else f"={values.get(name, '')[:64]!r}"
    return ConfigurationError(
        f"{name.upper()}{shown} cannot be used: {first['msg'].removeprefix('Value error, ')}. See .env.example.",
        variable=name.upper(),
    )
