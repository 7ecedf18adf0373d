"""Who may import whom: each room of the house keeps to its own floor."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW_DOORS = {
    "workers/airflow_dag.py",
    "workers/airflow_notify.py",
    "workers/airflow_operator.py",
    "workers/airflow_replay.py",
    "workers/airflow_trigger.py",
    "workers/airflow_universe.py",
    "workers/celery_config.py",
}
#: The room that may import what Airflow does not document.
PATCHES = "workers/airflow_patches/"
#: What Airflow documents for those who write DAGs, operators, triggers and executors' settings.
PUBLIC_AIRFLOW = re.compile(
    r"airflow\.(sdk|sdk\.(bases|definitions|exceptions|log)(\.\w+)?|triggers\.base|configuration"
    r"|providers\.celery\.executors\.default_celery|providers\.standard\.\w+(\.\w+)?)"
)

#: A library that only one room may use, and that room (files, or folders of files).
SOLE_USERS = {
    "apprise": "common/notify/apprise_client",
    "requests": "common/provider",
    "redis": "common/quota",
    "psycopg2": (
        "common/adjust/adjustments",
        "common/adjust/rebuild",
        "common/database",
        "common/export",
        "common/gaps",
        "common/ledger",
        "common/notify",
        "common/quality",
        "common/quarantine",
        "common/replies",
        "common/retention",
        "common/store",
        "common/universe",
    ),
    "alembic": ("common/database", "common/migrate"),
    "exchange_calendars": "common/trading_calendar",
    "pyarrow": "common/export",
}


def imports(path: Path) -> Iterator[str]:
    """Yield every module that the file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def files(*folders: str) -> list[str]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert found, f"no files in {folders}"
    return sorted(str(path.relative_to(ROOT)) for path in found)


def violations(names: list[str], forbidden: set[str]) -> list[str]:
    return [
        f"{name} imports {module}"
        for name in names
        for module in imports(ROOT / name)
        if module.partition(".")[0] in forbidden
    ]


def test_the_core_knows_no_framework():
    """common/ imports neither Airflow, Celery nor anything above it."""
    assert (
        violations(files("common"), {"airflow", "celery", "kombu", "workers", "dags", "local", "sandbox", "monitoring"})
        == []
    )


def test_monitoring_stands_on_the_core():
    """monitoring/ stands on common/, and of workers/ knows the feeds' names alone: it loads no Airflow, nor a run."""
    allowed = {"common", "monitoring", "workers.pipeline.feeds"}
    seen = {module for name in files("monitoring") for module in imports(ROOT / name)}
    ours_seen = {module for module in seen if (ROOT / module.partition(".")[0]).is_dir()}
    assert {module for module in ours_seen if not {module, module.partition(".")[0]} & allowed} == set()
    assert violations(files("monitoring"), {"airflow", "celery", "kombu"}) == []


def test_the_page_stands_on_the_core():
    """plugins/ stands on common/ and knows the feeds' names; two files know Airflow, one the local cluster."""
    allowed = {"common", "plugins", "workers.pipeline.feeds"}
    doors = {
        "plugins/market/market_plugin.py": "airflow",
        "plugins/market/airflow_guard.py": "airflow",
        "plugins/market/standalone.py": "local",
    }
    ours_or_airflow = {"airflow", "celery", *(path.name for path in ROOT.iterdir() if path.is_dir())}
    upward = [
        f"{name} imports {module}"
        for name in files("plugins")
        for module in imports(ROOT / name)
        if module.partition(".")[0] in ours_or_airflow - {doors.get(name)}
        and not {module, module.partition(".")[0]} & allowed
    ]
    assert upward == []


def test_airflow_has_few_doors_to_workers():
    """In workers/ only the operator, the Celery settings and the patches import Airflow or Celery."""
    names = [name for name in files("workers") if name not in AIRFLOW_DOORS and not name.startswith(PATCHES)]
    assert violations(names, {"airflow", "celery", "kombu", "dags", "local", "sandbox"}) == []
    patches = [name for name in files("workers") if name.startswith(PATCHES)]
    assert violations(patches, {"dags", "local", "sandbox"}) == []


def test_a_run_reaches_no_framework():
    """A run's steps reach neither Airflow nor Celery, through whatever module of ours they import."""
    reached, waiting = set[str](), [*files("workers/pipeline"), "workers/wiring.py"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += ours(ROOT / name)
    assert "common/database/pool.py" in reached
    assert violations(sorted(reached), {"airflow", "celery", "kombu"}) == []


def ours(path: Path) -> Iterator[str]:
    """Yield the files of our own modules that the file imports, also where a package is asked for one of them."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            stem = name.replace(".", "/")
            yield from (file for file in (f"{stem}.py", f"{stem}/__init__.py") if (ROOT / file).is_file())


def test_only_patches_know_airflows_private_parts():
    """What Airflow does not document, or names with an underscore, is imported in workers/airflow_patches/ alone."""
    names = [name for name in files("common", "workers", "dags", "local", "sandbox") if not name.startswith(PATCHES)]
    private = [
        f"{name} imports {module}" for name in names for module in airflow_imports(ROOT / name) if is_private(module)
    ]
    assert private == []


def airflow_imports(path: Path) -> Iterator[str]:
    """Yield what the file imports of Airflow: each module, and each name with its module, as ``module:name``."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (f"{alias.name}:" for alias in node.names if alias.name.startswith("airflow."))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "airflow":
            yield from (f"{node.module}:{alias.name}" for alias in node.names)


def is_private(imported: str) -> bool:
    module, _, name = imported.partition(":")
    return not PUBLIC_AIRFLOW.fullmatch(module) or "._" in module or name.startswith("_")


def test_the_judge_is_independent():
    """The sandbox imports nothing of what it judges."""
    assert violations(files("sandbox"), {"common", "workers", "dags", "local", "airflow"}) == []


@pytest.mark.parametrize(("library", "room"), SOLE_USERS.items())
def test_each_library_has_one_room(library: str, room: str | tuple[str, ...]):
    """Only one room of common/, workers/ and plugins/ knows each of the outside world's libraries."""
    names = [name for name in files("common", "workers", "plugins") if not name.startswith(room)]
    if library == "psycopg2":  # provisioning makes databases and roles with it
        names.remove("common/migrate.py")
    assert violations(names, {library}) == []


def test_only_settings_reads_the_environment():
    """In common/, workers/ and plugins/ only common/settings/ reads settings; a few others know what is not ours."""
    names = [name for name in files("common", "workers", "plugins") if not name.startswith("common/settings/")]
    readers = [name for name in names if "environ" in (ROOT / name).read_text("utf-8")]
    allowed = {
        "common/command_line.py",  # NO_COLOR and TERM
        "plugins/market/standalone.py",  # whether a person names a database, or the cluster's is shown
        "workers/dag_health.py",  # Airflow's address of its metadata
        "common/migrate.py",
        "common/database/migrations/env.py",
        "workers/airflow_patches/coordinator.py",  # deletes from it
    }
    assert [name for name in readers if "os.environ" in (ROOT / name).read_text("utf-8") and name not in allowed] == []


def test_the_wiring_alone_makes_collaborators():
    """In workers/ only wiring.py names the concrete client, limiter and store."""
    names = [name for name in files("workers") if name != "workers/wiring.py"]
    concrete = re.compile(r"(?<!class )\b(AlphaVantageClient|Limiter|Store)\(")
    assert [name for name in names if concrete.search((ROOT / name).read_text("utf-8"))] == []


def test_every_import_of_ours_leads_somewhere():
    """A module of ours that is imported, wherever in a file, is there."""
    rooms = ("common", "workers", "dags", "plugins", "sandbox", "local", "tests", "benchmarks")
    absent = [
        f"{name} imports {module}"
        for name in files(*rooms)
        for module in imports(ROOT / name)
        if module.partition(".")[0] in rooms and not find_module(module)
    ]
    assert absent == []


def find_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


def test_a_dag_file_only_declares():
    """A DAG file reads no clock, file, network or database when it is parsed."""
    forbidden = {"os", "requests", "redis", "psycopg2", "time", "pathlib", "sqlalchemy"}
    assert violations(files("dags"), forbidden) == []
    for name in files("dags"):
        text = (ROOT / name).read_text("utf-8")
        assert ".now(" not in text, name
        assert "Variable.get" not in text, name


def test_no_module_hides_another():
    """No module is named like one of the standard library's or of a dependency's."""
    import sys

    taken = set(sys.stdlib_module_names) | {"celery", "redis", "airflow", "requests", "flower", "alembic"}
    own = {Path(name).stem for name in files("common", "workers", "dags", "plugins", "sandbox", "local")}
    assert own & taken - {"__init__", "__main__"} == set()
