"""The names of the tests."""

import ast

from tests.architecture.test_imports import ROOT, files


def test_a_name_has_six_words():
    """A test's name has at most six words after ``test_``; its docstring says the rest."""
    names = [
        f"{file}: {node.name}"
        for file in files("tests")
        for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and node.name.count("_") > 6
    ]
    assert names == []
