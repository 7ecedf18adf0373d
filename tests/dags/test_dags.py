"""The DAG files: they parse without services, and say what design and README promise."""

import os
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG, AssetAll
from airflow.serialization.serialized_objects import DagSerialization

from common.errors import ConfigurationError
from common.quoting import expanded_names
from common.settings import DagSettings
from workers.airflow_dag import ended
from workers.airflow_operator import FetchAndStore
from workers.airflow_patches.warm_up import parse
from workers.pipeline.feeds import DAGS, OTHERS

FILES = sorted((Path(__file__).resolve().parents[2] / "dags").glob("*.py"))


@pytest.fixture(autouse=True)
def kept_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep ``sys.path``, to which Airflow adds the folder of what it parses."""
    monkeypatch.setattr("sys.path", [*sys.path])


def load(path: Path) -> dict[str, DAG]:
    """Return the DAGs that Airflow finds in a file, by their ids."""
    bag = parse(path, bundle_path=path.parent)
    assert bag.import_errors == {}
    return bag.dags


def load_all() -> dict[str, DAG]:
    found = [each for path in FILES for each in load(path).items()]
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.fixture
def dag() -> DAG:
    return load(FILES[0])["stock_data_pipeline"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_dag_file_parses_with_nothing_running(path: Path, monkeypatch):
    """Parsing opens no connection: sockets are forbidden meanwhile."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a DAG file opened a socket")

    monkeypatch.setattr("socket.socket.connect", refuse)
    assert load(path)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_parsing_needs_no_driver(path: Path):
    """Parsing a DAG imports no client of a database, of Redis or of HTTP on the pipeline's behalf."""
    code = (
        f"import sys, runpy; runpy.run_path({str(path)!r}); "
        "print([name for name in ('workers.wiring', 'common.store', 'common.quota.scripts', 'common.provider') "
        "if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=path.parents[1])
    assert done.stdout.splitlines()[-1] == "[]"


def test_each_feed_has_one_dag():
    """Airflow finds a DAG for each feed, and each but the first waits for the end of the one before."""
    dags = load_all()
    assert dags.keys() == {*DAGS.values(), "stock_replay", "stock_universe"}
    for before, feed in pairwise(DAGS):
        assert dags[DAGS[feed]].timetable.asset_condition == AssetAll(ended(before))


@pytest.mark.parametrize(("name", "left"), [("STOCK_HISTORY", 1), ("STOCK_ACTIONS", 2)])
def test_what_is_off_has_no_dag(monkeypatch: pytest.MonkeyPatch, name: str, left: int):
    """Off is off for what waits for it too: nothing would ever start it."""
    monkeypatch.setenv(name, "off")
    assert load_all().keys() == {*list(DAGS.values())[:left], "stock_replay", "stock_universe"}


_AS_A_TASK = """
import sys
from workers import airflow_patches
from workers.airflow_patches import warm_up
warm_up.preload()
airflow_patches.install("worker")
known = set(sys.modules)
from types import SimpleNamespace
import structlog
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.api.datamodels._generated import BundleInfo
from airflow.sdk.execution_time import task_runner
parsed = []
shipped = DagBag.collect_dags
DagBag.collect_dags = lambda self, *args, **kwargs: (parsed.append(self), shipped(self, *args, **kwargs))
file, dag_id = sys.argv[1:]
ti = SimpleNamespace(dag_id=dag_id, task_id="plan", model_dump=lambda **_: {"task_id": "plan"})
context = SimpleNamespace(max_tries=1)
what = SimpleNamespace(bundle_info=BundleInfo(name="dags-folder"), dag_rel_path=file, ti=ti,
                       ti_context=context, start_date=None, sentry_integration="")
task = task_runner.parse(what, structlog.get_logger()).task
task.dag.params.validate()
print(task.dag.dag_id, task.task_id, len(parsed), sorted(set(sys.modules) - known))
"""


@pytest.mark.parametrize(
    ("file", "dag_id"), [("stock_data_dag.py", "stock_data_pipeline"), ("stock_feeds_dag.py", DAGS[OTHERS[-1]])]
)
def test_task_imports_nothing_new(tmp_path: Path, file: str, dag_id: str):
    """After a worker's preparation Airflow's own start of a task finds the DAG parsed, and imports no module for it."""
    mentioned = expanded_names(str(FILES[0]))  # Airflow would put their values into the path
    inherited = {name: value for name, value in os.environ.items() if name not in mentioned}
    variables = {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(FILES[0].parent),
        "PYTHONPATH": str(FILES[0].parents[1]),
    }
    done = subprocess.run(
        [sys.executable, "-c", _AS_A_TASK, file, dag_id],
        capture_output=True,
        text=True,
        check=True,
        env={**inherited, **variables},
    )
    assert done.stdout.splitlines()[-1] == f"{dag_id} plan 0 []"


def test_the_steps_and_their_order(dag: DAG):
    """Check, plan, fetch, report and close side by side, clean up, publish and notify: one after the other."""
    assert dag.dag_id == "stock_data_pipeline"
    order = [
        {"validate_environment"},
        {"plan"},
        {"fetch_and_store"},
        {"report", "close_run"},
        {"clean_up", "publish", "notify"},
    ]
    assert set(dag.task_ids) == set().union(*order)
    for earlier, later in pairwise(order):
        assert {frozenset(dag.get_task(name).downstream_task_ids) for name in earlier} == {frozenset(later)}


def test_fetching_is_mapped_and_labelled(dag: DAG):
    """fetch_and_store is mapped over the plan, and each task says what its label is."""
    mapped = dag.get_task("fetch_and_store")
    assert mapped.is_mapped
    assert mapped.operator_class is FetchAndStore
    assert mapped.partial_kwargs["map_index_template"] == "{{ label | default('') }}"


def test_mapped_task_knows_its_number(dag: DAG):
    """For the scheduler it is mapped over the plan's XCom; in a task the number comes from the index, with no call."""
    (task,) = (task for task in DagSerialization.to_dict(dag)["dag"]["tasks"] if task["__var"].get("_is_mapped"))
    list_of_the_plan = {"__type": "xcomref", "__var": {"task_id": "plan", "key": "return_value"}}
    assert task["__var"]["expand_input"]["value"]["__var"] == {"batch_number": list_of_the_plan}
    instance = SimpleNamespace(map_index=6, stats_tags={})
    given, _ = dag.get_task("fetch_and_store").expand_input.resolve({"ti": instance})
    assert given == {"batch_number": 7}


def test_retries_as_promised(dag: DAG):
    """Three retries, five minutes apart, exponential, with a cap; the report has none."""
    task = dag.get_task("plan")
    assert (task.retries, task.retry_delay, bool(task.retry_exponential_backoff)) == (3, timedelta(minutes=5), True)
    assert task.max_retry_delay == timedelta(hours=1)
    assert dag.get_task("report").retries == 0


def test_two_tasks_colour_the_run(dag: DAG):
    """Report and close run whatever happened, also when a person marks the whole run; what follows has no say."""
    for name in ("report", "close_run"):
        task = dag.get_task(name)
        assert (task.is_teardown, task.on_failure_fail_dagrun) == (True, True)
        assert task.trigger_rule == "all_done_setup_success"
    for name in ("clean_up", "publish", "notify"):
        task = dag.get_task(name)
        assert (task.is_teardown, task.on_failure_fail_dagrun) == (True, False)


def test_one_run_without_a_past(dag: DAG):
    """Two runs at once would spend the same quota twice; days gone by are not made up for."""
    assert dag.max_active_runs == 1
    assert dag.catchup is False


def test_the_trigger_form(dag: DAG):
    """The form offers the symbols of this run and force."""
    assert set(dag.params) == {"symbols", "force"}
    assert dag.params.get_param("symbols").schema["type"] == ["null", "array"]


@pytest.mark.parametrize(
    ("text", "timetable"),
    [
        ("", "CronTriggerTimetable"),
        ("30 6 * * 1-5", "CronTriggerTimetable"),
        ("@weekly", "CronTriggerTimetable"),
        ("6h", "DeltaTriggerTimetable"),
        ("none", "NullTimetable"),
    ],
)
def test_the_schedule_comes_from_the_environment(monkeypatch, text: str, timetable: str):
    """Daily at midnight by default; any cron line, preset or interval by setting, or none."""
    monkeypatch.setenv("STOCK_SCHEDULE", text)
    dag = load(FILES[0])["stock_data_pipeline"]
    assert type(dag.timetable).__name__ == timetable
    if not text:
        assert dag.timetable.expression == "0 0 * * *"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STOCK_SCHEDULE", "now and then"),
        ("STOCK_SCHEDULE", "@sometimes"),
        ("STOCK_TIMEZONE", "Mars/Olympus"),
        ("TASK_RETRIES", "many"),
    ],
)
def test_a_malformed_setting_is_named(name: str, value: str):
    """A setting that cannot be used is refused with its name and value."""
    with pytest.raises(ConfigurationError, match=name) as raised:
        DagSettings.from_environment({name: value})
    assert value in str(raised.value)
