"""The plugin as Airflow loads it, in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: What a task's process asks of the plugins, then what an API server does.
LOOK = """
import json, sys
from airflow import plugins_manager
from airflow.sdk import plugins_manager as of_tasks
of_tasks.integrate_macros_plugins()
plugins_manager.get_timetables_plugins()
before = [name for name in sys.modules if name.split(".")[0] in {"plugins", "market", "web", "msgspec"}]
apps = plugins_manager.get_fastapi_plugins()[0] if "--app" in sys.argv else []
info = plugins_manager.get_plugin_info(["external_views"]) if apps else []
print(json.dumps({
    "before": sorted(before),
    "plugins": [plugin.name for plugin in plugins_manager._get_plugins()[0]],
    "errors": plugins_manager.get_import_errors(),
    "apps": [app["url_prefix"] for app in apps],
    "same": all(app["app"] is again["app"] for app, again in zip(apps, plugins_manager.get_fastapi_plugins()[0])),
}) if apps else json.dumps({"before": sorted(before)}))
"""


def look(tmp_path: Path, *arguments: str) -> dict:
    """Load the plugins in a fresh process; return what it has imported and found."""
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(ROOT / "plugins")
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_a_task_pays_nothing(tmp_path):
    """Even where the folder is set, which it is for the API server alone, no module of the page is imported."""
    imported = set(look(tmp_path)["before"])
    assert imported <= {"msgspec"} | {name for name in imported if name.startswith("msgspec.")}


def test_the_api_server_has_the_page(tmp_path):
    """One plugin without an error, and one app, however often Airflow asks for it."""
    found = look(tmp_path, "--app")
    assert "market" in found["plugins"]
    assert (found["errors"], found["apps"], found["same"]) == ({}, ["/market"], True)
