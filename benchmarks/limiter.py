"""The quota limiter beside three libraries: how much of the quota each uses, what is refused, and what it costs."""

from benchmarks.tables import Table


def run(*, quick: bool = False) -> list[Table]:
    """Measure the cost, then the use."""
    from benchmarks import limiter_cost, limiter_use  # noqa: PLC0415  the libraries come with `make bench` alone

    return [*limiter_cost.run(quick=quick), *limiter_use.run(quick=quick)]
