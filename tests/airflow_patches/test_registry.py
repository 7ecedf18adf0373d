"""The registry of patches: what the installed Airflow is, which patches it gets, and what the check says of another."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from common.errors import ConfigurationError
from workers.airflow_patches import PATCHES, Patch, install, registry, selected, sources
from workers.airflow_patches.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
NAMES = {patch.name for patch in PATCHES}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The patches that were applied: two of the scheduler and one of a worker, which only say so."""
    made: list[str] = []
    module = SimpleNamespace(first=lambda: made.append("first"), second=lambda: made.append("second"))
    monkeypatch.setitem(sys.modules, "made_up", module)
    target = "airflow.models.taskmap:TaskMap.expand_mapped_task"
    known = {target: sources.digest(sources.texts([target])[target])}
    patches = [
        Patch(name, where, f"made_up:{name}", known, "reason", "gain")
        for name, where in (("first", "scheduler"), ("second", "scheduler"), ("third", "worker"))
    ]
    monkeypatch.setattr(registry, "PATCHES", patches)
    monkeypatch.setattr(registry, "_installed", set())
    monkeypatch.setenv("AIRFLOW_PATCHES", "all")
    return made


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_each_patch_fits_the_locked_airflow(patch: Patch):
    """A version whose source differs is noticed here: docs/upgrade-airflow.md says what to do then."""
    assert patch.differences() == ()


def test_the_recorded_packages_are_locked():
    """The hashes are those of the versions that are installed, so that the check can say where to get them."""
    assert {package: version(package) for package in registry.WRITTEN_FOR} == registry.WRITTEN_FOR


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_each_patch_says_what_it_is(patch: Patch):
    """Its reason, gain and upstream issue are there, and the function that applies it is named like it."""
    assert patch.reason
    assert patch.gain
    assert patch.upstream.startswith(("https://github.com/apache/airflow/", "none known"))
    module, _, function = patch.apply.partition(":")
    assert function == patch.name
    assert ROOT.joinpath(*module.split(".")).with_suffix(".py").exists()


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("all", NAMES),
        ("none", set()),
        ("ALL ", NAMES),
        ("warm_up", {"warm_up"}),
        (" warm_up, ,keep_processes,", {"warm_up", "keep_processes"}),
    ],
)
def test_a_list_of_names_is_read(value: str, names: set[str]):
    """All, none, or names between commas."""
    assert selected(value) == names


@pytest.mark.parametrize("value", ["warm-up", "all,warm_up", "none,none", "warm_up keep_processes", "x" * 5000])
def test_a_wrong_name_is_refused(value: str):
    """What names no patch is named, with the names that there are."""
    with pytest.raises(
        ConfigurationError, match=r"AIRFLOW_PATCHES=.* is no patch\. Write all, none, or some of"
    ) as raised:
        selected(value)
    assert len(str(raised.value)) < 1000


def test_patches_are_applied_once(made: list[str]):
    """The patches of one place are applied in their order, and a second call applies nothing."""
    for _ in range(2):
        install("scheduler")
    assert made == ["first", "second"]


@pytest.mark.parametrize(("value", "applied"), [("none", []), ("second", ["second"]), ("third", [])])
def test_only_selected_patches_are_applied(
    made: list[str], monkeypatch: pytest.MonkeyPatch, value: str, applied: list[str]
):
    """AIRFLOW_PATCHES selects."""
    monkeypatch.setenv("AIRFLOW_PATCHES", value)
    install("scheduler")
    assert made == applied


@pytest.mark.parametrize(
    "target",
    [
        "airflow.models.taskmap:TaskMap.expand_mapped_task",
        "airflow.models.taskmap:TaskMap.renamed",
        "airflow.models.gone:TaskMap",
        "airflow.gone.gone:TaskMap",
    ],
)
def test_a_differing_source_skips_one_patch(
    made: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, target: str
):
    """A patch whose source differs or is gone is left out, with one line in the log; the others are applied."""
    first, *others = registry.PATCHES
    monkeypatch.setattr(registry, "PATCHES", [replace(first, sources={target: "0123456789abcdef"}), *others])
    install("scheduler")
    assert made == ["second"]
    (record,) = caplog.records
    assert f", {target} is not what it was written for" in record.getMessage()


def test_a_failing_patch_stops_nothing(
    made: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Airflow runs without a patch that cannot be applied, and the others are applied."""
    monkeypatch.delattr(sys.modules["made_up"], "first")
    install("scheduler")
    assert made == ["second"]
    assert "the patch first could not be applied" in caplog.text


def test_importing_the_registry_imports_no_airflow():
    """A DAG file that is parsed and a command of the local cluster read the registry; neither waits for Airflow."""
    code = "import sys; from workers import airflow_patches; print([m for m in sys.modules if m.startswith('airflow')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


TEXT = '''
class Outer:
    """Has an inner one."""

    @staticmethod
    @other
    def first(x):
        return x  # a comment

    async def second(self):
        pass

def first():
    return "the module's"
'''


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Outer.first", "    @staticmethod\n    @other\n    def first(x):\n        return x  # a comment\n"),
        ("Outer.second", "    async def second(self):\n        pass\n"),
        ("first", 'def first():\n    return "the module\'s"\n'),
        ("Outer.third", None),
        ("first.inner", None),
    ],
)
def test_a_targets_text_is_read(tmp_path: Path, name: str, expected: str | None):
    """With its decorators and nothing else; None where it is not there."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text(TEXT, "utf-8")
    target = f"package.module:{name}"
    assert sources.texts([target], tmp_path) == {target: expected}


def test_a_package_is_a_module(tmp_path: Path):
    """What is defined in a package's __init__.py is found by the package's name."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("def here(): pass", "utf-8")
    assert sources.texts(["package:here", "absent:here"], tmp_path) == {
        "package:here": "def here(): pass",
        "absent:here": None,
    }


def test_the_check_shows_each_patch(capsys: pytest.CaptureFixture[str]):
    """With the locked Airflow each is applied, and the exit code is 0."""
    assert main(["--check"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in NAMES)
    assert "apache-airflow-core 3.3.2 is installed" in shown


def test_the_check_speaks_json(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """A program reads which patches are applied, and each source's recorded and installed hash."""
    monkeypatch.setenv("AIRFLOW_PATCHES", "warm_up")
    assert main(["--check", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    states = {patch["name"]: patch["state"] for patch in said["patches"]}
    assert states == dict.fromkeys(NAMES, "not selected") | {"warm_up": "applied"}
    hashes = [pair for patch in said["patches"] for pair in patch["sources"].values()]
    assert all(pair["recorded"] == pair["installed"] for pair in hashes)


@pytest.fixture
def another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry whose first patch was written for another text; the folder holds that text's package."""
    target = "airflow.models.taskmap:TaskMap.expand_mapped_task"
    file = tmp_path / "airflow" / "models" / "taskmap.py"
    file.parent.mkdir(parents=True)
    file.write_text("class TaskMap:\n    def expand_mapped_task(cls):\n        return 'before'\n", "utf-8")
    known = {target: sources.digest(sources.texts([target], tmp_path)[target])}
    patches = (replace(PATCHES[0], sources=known), *PATCHES[1:])
    monkeypatch.setattr("workers.airflow_patches.__main__.PATCHES", patches)
    return tmp_path


def test_the_check_finds_a_difference(another: Path, capsys: pytest.CaptureFixture[str]):
    """The exit code is 1, both hashes are shown, and how to get the text that a diff needs."""
    assert main([]) == 1
    shown = capsys.readouterr().out
    assert "source differs" in shown
    assert "expand_mapped_task: recorded" in shown
    assert "pip install --no-deps --target FOLDER apache-airflow-core==3.3.2" in shown
    assert "--against FOLDER" in shown


def test_the_check_shows_a_diff(another: Path, capsys: pytest.CaptureFixture[str]):
    """With the packages of the version that the patches were written for, the difference itself is shown."""
    assert main(["--against", str(another)]) == 1
    shown = capsys.readouterr().out
    assert "-        return 'before'" in shown
    assert "+    def expand_mapped_task(" in shown
    (another / "airflow" / "models" / "taskmap.py").write_text("x = 1", "utf-8")
    assert main(["--against", str(another)]) == 1
    assert "has missing, which is not the recorded text either" in capsys.readouterr().out


def test_the_check_refuses_a_wrong_setting(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """One sentence, and another exit code than that of a difference."""
    monkeypatch.setenv("AIRFLOW_PATCHES", "everything")
    assert main(["--check"]) == 2
    assert "'everything', which is no patch" in capsys.readouterr().err


def test_compose_starts_with_no_wrong_name(tmp_path: Path):
    """The container that prepares Airflow ends with one sentence, and none of Airflow's processes is started."""
    variables = {"AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "AIRFLOW_ADMIN_PASSWORD": "x"}
    done = subprocess.run(
        [sys.executable, "config/airflow_init.py"],
        env={**os.environ, **variables, "AIRFLOW_PATCHES": "everything"},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "AIRFLOW_PATCHES='everything' names 'everything', which is no patch."
    )


def test_the_readme_names_each_patch():
    """The table of the folder's README has the registry's patches, in their order."""
    lines = (ROOT / "workers" / "airflow_patches" / "README.md").read_text("utf-8").splitlines()
    rows = [line.split("|")[1:3] for line in lines if line.startswith("| `") and line.count("|") == 4]
    listed = [(name.strip(" `"), where.strip()) for name, where in rows]
    assert listed == [(patch.name, patch.where) for patch in PATCHES]


def test_a_worker_gets_what_is_selected(tmp_path: Path):
    """In a worker's process all patches are applied with 'all', and Airflow's own functions stay with 'none'."""
    code = (
        "from workers import airflow_patches; airflow_patches.install('worker'); "
        "from airflow.sdk.execution_time.supervisor import ActivitySubprocess as task; "
        "from airflow.dag_processing import dagbag; "
        "from airflow.sdk.configuration import conf; "
        "print(task._service_subprocess.__module__, dagbag.BundleDagBag.__module__, "
        "conf.has_option('sdk', 'queue_to_coordinator'))"
    )
    variables = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "PYTHONPATH": str(ROOT),
    }
    said = {}
    for value in ("none", "all"):
        environment = {**os.environ, **variables, "AIRFLOW_PATCHES": value}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
        said[value] = done.stdout.splitlines()[-1]
    linux = sys.platform == "linux"
    assert said["none"] == "airflow.sdk.execution_time.supervisor airflow.dag_processing.dagbag False"
    assert said["all"] == f"workers.airflow_patches.supervisor workers.airflow_patches.warm_up {linux}"
