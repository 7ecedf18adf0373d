"""The text of Airflow's functions and classes, and its hash: read from the files, so nothing has to be imported.

A target is named as in an entry point, ``package.module:Class.function``.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

#: The first hexadecimal digits of a SHA-256: it has to notice a change, not to withstand an attack.
_DIGITS: Final = 16


def texts(targets: Iterable[str], folder: Path | None = None) -> dict[str, str | None]:
    """Return the source text of each target, decorators included; None for one that is not there.

    ``folder`` has other packages than the installed ones, as ``pip install --target`` leaves them. Each file is parsed
    once.
    """
    names: dict[str, list[str]] = defaultdict(list)
    for target in targets:
        module, _, name = target.partition(":")
        names[module].append(name)
    found: dict[str, str | None] = {}
    for module, wanted in names.items():
        file = _file(module, folder)
        text = file.read_text("utf-8") if file and file.is_file() else ""
        tree = ast.parse(text)
        found.update({f"{module}:{name}": _text_of(tree, text, name) for name in wanted})
    return found


def digest(text: str | None) -> str:
    """Return the hash of a source text; ``missing`` where there is none."""
    return "missing" if text is None else sha256(text.encode()).hexdigest()[:_DIGITS]


def _file(module: str, folder: Path | None) -> Path | None:
    if folder:
        path = folder.joinpath(*module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _text_of(tree: ast.Module, text: str, name: str) -> str | None:
    found: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef = tree
    for part in name.split("."):
        definitions = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        inner = next((node for node in found.body if isinstance(node, definitions) and node.name == part), None)
        if inner is None:
            return None
        found = inner
    if isinstance(found, ast.Module):
        return None
    first = min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])
    return "".join(text.splitlines(keepends=True)[first - 1 : found.end_lineno])
