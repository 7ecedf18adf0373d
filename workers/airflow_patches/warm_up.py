"""What a worker does once, before it forks, so that no task's process does it again."""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from copy import copy, deepcopy
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from airflow.dag_processing import dagbag
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag

from common.datasets import DATASETS
from common.errors import ConfigurationError
from workers.wiring import Wiring

log = logging.getLogger(__name__)

#: Imported once by a worker: a task's process then starts with them in memory.
PRELOADED: Final = (
    "airflow.dag_processing.bundles.local",
    "airflow.providers.standard.operators.empty",
    "airflow.sdk.bases.sensor",
    "airflow.sdk.definitions.connection",
    "airflow.sdk.execution_time.task_runner",
    "workers.airflow_operator",
    "workers.airflow_patches.map_index_label",
    "workers.airflow_dag",
    "workers.pipeline.environment",
    "workers.pipeline.report",
    "workers.pipeline.run",
    "workers.wiring",
)

#: The DAG files that a worker parses once. They read nothing but themselves and the environment.
DAG_FILES: Final = "stock_*_dag.py"


def preload() -> None:
    """Import what every task needs."""
    for module in PRELOADED:
        import_module(module)
    dict(DATASETS)  # imports each


def warm_up() -> None:
    """Do once what each task's process would do again: parse the pipeline's DAG, fill the caches of libraries.

    Those are of classes, schema validators, lexers and scripts. Nothing connects. What is wrong with a setting is said
    by a run's first task, and what is wrong with the DAG by the DAG processor too: where a person looks.
    """
    with suppress(ConfigurationError), Wiring.from_environment() as wiring:
        wiring.make_all()
    for file, bag in pipeline_bags():
        parse_once(file, bag)
        for dag in bag.dags.values():
            dag.params.validate()
            dag.get_template_env().from_string("{{ any }}")


@cache
def pipeline_bags() -> tuple[tuple[Path, BundleDagBag], ...]:
    """Parse the pipeline's DAG files; return what each bundle of DAGs holds of them, none where that fails."""
    try:
        return tuple(
            (file, parse(file, bundle_path=bundle.path, bundle_name=bundle.name))
            for bundle in DagBundlesManager().get_all_dag_bundles()
            for file in sorted(bundle.path.glob(DAG_FILES))
        )
    except Exception:
        log.exception("%s could not be parsed in advance: each task parses its file for itself", DAG_FILES)
        return ()


def parse(file: Path, *, bundle_path: Path, bundle_name: str = "") -> BundleDagBag:
    """Parse ``file`` as Airflow's start of a task does."""
    how: dict[str, Any] = {"bundle_path": bundle_path, "bundle_name": bundle_name or None}
    return dagbag.BundleDagBag(dag_folder=os.fspath(file), safe_mode=False, load_op_links=False, **how)


def parse_once(file: Path, parsed: BundleDagBag, module: ModuleType = dagbag) -> None:
    """Hand each task a copy of ``parsed``, what is in ``file`` now.

    A copy, because Airflow resolves a run's parameters in the DAG itself. Only for a file that reads nothing but itself
    and the environment. Once it is changed it is parsed as Airflow does, as every other file is, and as one that has an
    error. Unnecessary once a worker upstream keeps what it has parsed.
    """
    unpatched: Callable[..., BundleDagBag] = module.BundleDagBag
    seen = signature(file)

    def bag(*, dag_folder: str, **kwargs: Any) -> BundleDagBag:  # noqa: ANN401  the unpatched one's
        if dag_folder != os.fspath(file) or signature(file) != seen:
            return unpatched(dag_folder=dag_folder, **kwargs)
        copied = copy(parsed)
        copied.dags = deepcopy(parsed.dags)
        return copied

    if parsed.dags and not parsed.import_errors:
        vars(module)["BundleDagBag"] = bag


def signature(file: Path) -> tuple[int, int, int]:
    """Return what differs once a file was edited or replaced; zeros where there is none."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return status.st_ino, status.st_size, status.st_mtime_ns
