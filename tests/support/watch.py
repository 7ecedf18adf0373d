"""A real, impatient Prometheus and Alertmanager over a cluster, and an exporter that tells a test's inboxes.

The rules are the committed ones; only what they wait for is shortened, by a copy that is made here.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from local.monitoring import FILES, here, monitoring_programs
from local.ports import free_port
from local.state import ROOT, State
from local.temporary import wait_until
from tests.conftest import missing
from tests.support.inboxes import Hook, Inbox, running_hook, running_inbox

#: What a rule waits for, and for how long in a test.
IMPATIENT = (
    (re.compile(r"^( +for:) \w+$", re.MULTILINE), r"\1 1s"),
    (re.compile(r"> 3600$", re.MULTILINE), "> 20"),  # RunSlow
    (re.compile(r"> 60$", re.MULTILINE), "> 25"),  # ComponentSilent: a beat comes every ten seconds
)


@dataclass
class Watch:
    """What watches the cluster, where its messages arrive, and the folder with the logs of all that."""

    folder: Path
    prometheus: str
    alertmanager: str
    exporter: str
    inbox: Inbox
    hook: Hook

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of a reply of Prometheus."""
        reply = requests.get(f"{self.prometheus}/api/v1/{path}", params=parameters, timeout=15).json()
        assert reply["status"] == "success", reply
        return reply["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an expression now."""
        return list(self.ask("query", query=expression)["result"])

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire in Prometheus."""
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"}

    def told(self, state: str, alert: str) -> int:
        """Return how many mails say that the alert is in this state; those at the webhook must be as many."""
        said = re.compile(rf"^{alert} \(\w+\): {state}, since", re.MULTILINE)
        mails = sum(len(said.findall(text)) for text in self.inbox.texts())
        posts = sum(len(said.findall(post["message"])) for post in self.hook.posts)
        return mails if mails == posts else -1

    def wait_for(self, alert: str, *, fires: bool, timeout_s: float = 90) -> None:
        """Wait until the alert fires in Prometheus, or does no more."""
        word = "fires" if fires else "is over"
        wait_until(lambda: (alert in self.firing()) == fires, f"{alert} {word}", timeout_s)


@contextmanager
def watching(ports: Mapping[str, int], environment: Mapping[str, str], folder: Path) -> Iterator[Watch]:
    """Start exporter, Prometheus, Alertmanager, a mail server and a webhook; end them.

    ``ports``: those of a cluster's pages. ``environment``: the exporter's, but for where it sends messages.
    """
    for program in ("prometheus", "prometheus-alertmanager"):
        if not shutil.which(program):
            missing(f"{program}: install it (.ci/programs)")
    ports = {**ports, **{name: free_port() for name in ("exporter", "prometheus", "alertmanager")}}
    with ExitStack() as stack:
        inbox, hook = stack.enter_context(running_inbox()), stack.enter_context(running_hook())
        command = [sys.executable, "-m", "monitoring", f"--port={ports['exporter']}"]
        command += [f"--{page}=http://127.0.0.1:{ports[page]}" for page in ("airflow", "flower")]
        told = {**environment, "ALERT_URLS": f"{inbox.url} {hook.url}"}
        stack.enter_context(_running(command, folder / "exporter.log", told))
        state = State(folder)
        programs = monitoring_programs(state, ports)
        _make_impatient(folder / "monitoring", ports)
        for program in programs:
            stack.enter_context(_running(program.command, folder / f"{program.name}.log"))
        urls = {name: f"http://127.0.0.1:{ports[name]}" for name in ("prometheus", "alertmanager", "exporter")}
        for name, path in (("prometheus", "-/ready"), ("alertmanager", "-/ready"), ("exporter", "livez")):
            wait_until(lambda url=f"{urls[name]}/{path}": requests.get(url, timeout=5).ok, f"{name} is ready", 30)
        yield Watch(folder, **urls, inbox=inbox, hook=hook)


def _make_impatient(folder: Path, ports: dict[str, int]) -> None:
    rules = (FILES / "rules.yml").read_text("utf-8")
    for pattern, replacement in IMPATIENT:
        rules, count = pattern.subn(replacement, rules)
        assert count, pattern
    (folder / "rules.yml").write_text(rules, encoding="utf-8")
    prometheus = here(FILES / "prometheus.yml", ports)
    prometheus["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    (folder / "prometheus.yml").write_text(json.dumps(prometheus), encoding="utf-8")
    alertmanager = here(FILES / "alertmanager.yml", ports)
    for route in (alertmanager["route"], *alertmanager["route"]["routes"]):
        route.update(group_wait="0s", group_interval="1s")
    (folder / "alertmanager.yml").write_text(json.dumps(alertmanager), encoding="utf-8")


@contextmanager
def _running(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)
