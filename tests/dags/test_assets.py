"""Runs on a real metadata database: which of them tell other DAGs that their dataset has new rows."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.running import RunningSandbox
from tests.support.market import Market
from workers.pipeline.feeds import DATASET_OF

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "triggered-by-data.md"

_RUN_ALL = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.models.asset import AssetDagRunQueue, AssetEvent
from airflow.settings import Session
from sqlalchemy import select

bag = DagBag()
assert not bag.import_errors, bag.import_errors
dag = bag.dags["stock_data_pipeline"]
states = [str(dag.test(run_conf={"symbols": symbols, "force": True}).state) for symbols in json.loads(sys.argv[1])]
with Session() as session:
    events = [
        {"asset": event.asset.name, "run_id": event.source_run_id, "task": event.source_task_id, "extra": event.extra}
        for event in session.scalars(select(AssetEvent).order_by(AssetEvent.id))
    ]
    queued = [row.target_dag_id for row in session.scalars(select(AssetDagRunQueue))]
print(json.dumps({"states": states, "events": events, "queued": sorted(set(queued))}))
"""


def example() -> str:
    """The DAG that the page shows."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return code.replace("daily_bars", "quotes")


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:] + done.stdout[-2000:]
    return done.stdout


@pytest.fixture
def airflow(tmp_path: Path, environment: dict[str, str]) -> dict[str, str]:
    """The environment of a process with a migrated metadata database of its own, our DAGs and the page's."""
    folder = tmp_path / "dags"
    folder.mkdir()
    for path in (ROOT / "dags").glob("*.py"):
        (folder / path.name).symlink_to(path)
    (folder / "example.py").write_text(example(), "utf-8")
    variables = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "PYTHONPATH": str(ROOT),
        **environment,
    }
    run([sys.executable, "-m", "airflow", "db", "migrate"], variables)
    return variables


@pytest.mark.timeout(300)
def test_a_green_run_publishes_once(airflow: dict[str, str], market: Market, sandbox: RunningSandbox, punctual: None):
    """A run that went well adds one event to its dataset's asset, and starts the page's DAG; a red run adds none."""
    asked = json.dumps([["IBM", "AAPL"], ["IBM", "NOSUCH1"]])
    told: dict[str, Any] = json.loads(run([sys.executable, "-c", _RUN_ALL, asked], airflow).splitlines()[-1])
    assert told["states"] == ["success", "failed"]
    (event,) = [event for event in told["events"] if event["asset"] == "market://quotes"]
    ((run_id, session),) = market.query("SELECT run_id, max(session)::text FROM fetch_outcomes GROUP BY 1 LIMIT 1")
    assert (event["run_id"], event["task"]) == (run_id, "publish")
    assert event["extra"] == {"run_id": run_id, "stored": 2, "session": session}
    ends = [event for event in told["events"] if event["asset"] == "quotes_run_ended"]
    assert [event["task"] for event in ends] == ["clean_up"] * 2
    assert told["queued"] == ["after_the_bars", "stock_history"]


def test_the_page_names_each_asset():
    """The page has the asset of every dataset that a feed brings."""
    assert set(re.findall(r"market://(\w+)", PAGE.read_text("utf-8"))) == set(DATASET_OF.values())
