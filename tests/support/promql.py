"""What an expression of PromQL names, as a parser of it sees it."""

import re
from collections.abc import Iterator

import promql_parser

#: What Grafana fills in before it asks.
_VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$__interval": "1m"}


def without_variables(expression: str) -> str:
    """Return the expression with Grafana's variables replaced by values that fit anywhere."""
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    return re.sub(r"\$\w+", ".*", expression)


def metric_names(expression: str) -> set[str]:
    """Return the names of the metrics that the expression selects. Raises ValueError where it is none."""
    return set(_names(promql_parser.parse(without_variables(expression))))


def _names(node: object) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        yield str(node.name)
    for part in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (inner := getattr(node, part, None)) is not None:
            yield from _names(inner)
    for argument in getattr(node, "args", None) or []:
        yield from _names(argument)
