"""One Compose project as a person runs it: a copy of the checkout, a folder of its own, the docker command line."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import requests

from local.airflow_api import AirflowApi

ROOT = Path(__file__).resolve().parents[2]
SCALE = ("-f", "docker-compose.yml", "-f", "docker-compose.scale.yml")
#: Built once, by the first stack; what is installed comes from the engine's cache unless the lock has changed.
IMAGE = "stock-data-pipeline:test"
ENDED = {"success", "failed"}
#: A name for a folder that holds what shells, Compose and drivers give a meaning to.
AWKWARD_NAME = "my stöcks (2) 'n' %d $HOME #1"


def fresh_clone(folder: Path) -> Path:
    """Copy what git knows or would take into ``folder`` / AWKWARD_NAME, and nothing else: no .env, no .venv."""
    folder = folder / AWKWARD_NAME
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    assert not (folder / ".env").exists()
    return folder


@dataclass
class Stack:
    """A project: its checkout, its name, the variables of the shell, the options before the command."""

    folder: Path
    name: str
    shell: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[str] = ()

    def compose(self, *arguments: str, timeout_s: float = 300, check: bool = True) -> str:
        """Run ``docker compose`` and return what it prints; fail with what it complains about."""
        done = self._run(arguments, timeout_s)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(done.args)}: {done.stderr[-2000:]}\n{self.problems()}")
        return done.stdout

    def failure(self, *arguments: str) -> str:
        """Run ``docker compose``, which must fail, and return all that it says."""
        done = self._run(arguments, 300)
        assert done.returncode, done.stdout
        return done.stdout + done.stderr

    def environment(self) -> dict[str, str]:
        """Return the variables that ``docker`` runs with."""
        kept = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        return environment | {"COMPOSE_PROJECT_NAME": self.name, "PIPELINE_IMAGE": IMAGE, **self.shell}

    def _run(self, arguments: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "compose", *self.files, "--progress", "quiet", *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def problems(self) -> str:
        """Return the last lines of every container that is not well."""
        texts = []
        for row in self.ps(all_of_them=True):
            if row["ExitCode"] or row["Health"] not in {"healthy", ""}:
                log = docker("logs", "--tail", "30", row["ID"])
                probe = docker("inspect", "--format", "{{json .State.Health}}", row["ID"])
                texts.append(f"--- {row['Name']}: {row['Status']}\n{log[-3000:]}\n{probe[-500:]}")
        return "\n".join(texts)

    def set_dotenv(self, **values: str) -> None:
        """Write the .env."""
        lines = "".join(f"{name}={value}\n" for name, value in values.items())
        (self.folder / ".env").write_text(lines, encoding="utf-8")

    def up(self, *arguments: str, timeout_s: float = 300) -> float:
        """Start, wait until all is healthy, and return how long it took (s)."""
        begun = time.monotonic()
        self.compose("up", "-d", "--wait", *arguments, timeout_s=timeout_s)
        return time.monotonic() - begun

    def down(self) -> None:
        """Stop, and delete what was stored."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)

    def ps(self, *services: str, all_of_them: bool = False) -> list[dict[str, Any]]:
        """Return the containers of these services, or of all."""
        text = self.compose("ps", *(["--all"] if all_of_them else []), "--format", "json", *services, check=False)
        rows = [json.loads(line) for line in text.splitlines() if line.startswith(("{", "["))]
        return [row for part in rows for row in (part if isinstance(part, list) else [part])]

    def inspect(self) -> list[dict[str, Any]]:
        """Return what the engine tells about every container, ended ones too."""
        ids = [row["ID"] for row in self.ps(all_of_them=True)]
        return list(json.loads(docker("inspect", *ids)))

    def execute(self, service: str, *command: str, check: bool = True) -> str:
        """Run a command in a running container."""
        return self.compose("exec", "-T", service, *command, check=check)

    @cached_property
    def passwords(self) -> dict[str, str]:
        """The passwords of the pages' user, by page."""
        shown = self.compose("run", "--rm", "-T", "secrets", "show")
        return {page.lower(): password for page, password in re.findall(r"(\w+) +user admin, password (.+)", shown)}

    def _url(self, service: str, port: int) -> str:
        return "http://" + self.compose("port", service, str(port)).strip()

    @cached_property
    def api(self) -> AirflowApi:
        """Airflow's REST API, as the admin."""
        return AirflowApi(self._url("airflow-apiserver", 8080), "admin", self.passwords["airflow"])

    def flower(self, path: str) -> Any:
        """Return a reply of Flower's API."""
        url = f"{self._url('flower', 5555)}/{path}"
        response = requests.get(url, auth=("admin", self.passwords["flower"]), timeout=30)
        response.raise_for_status()
        return response.json()

    def query(self, sql: str, database: str = "market_sandbox") -> list[list[str]]:
        """Return the rows of a query, every value as text."""
        text = self.execute("postgres", "psql", "-U", "postgres", "-d", database, "-AtF", "\t", "-c", sql)
        return [line.split("\t") for line in text.splitlines()]

    def start_run(self, symbols: Sequence[str] = ()) -> str:
        """Trigger the DAG once it is known; return the run's id."""
        deadline = time.monotonic() + 90
        while not self.api.dag_known():
            assert time.monotonic() < deadline, "the DAG is not known"
            time.sleep(0.5)
        return self.api.trigger({"symbols": list(symbols)} if symbols else {})

    def finish_run(self, run_id: str, timeout_s: float = 240) -> str:
        """Wait for the run's end; return its state. An api-server that is away for a moment is waited for."""
        deadline = time.monotonic() + timeout_s
        state = ""
        while time.monotonic() < deadline:
            try:
                state = self.api.run_state(run_id)
            except (requests.RequestException, RuntimeError) as error:
                state = repr(error)
            if state in ENDED:
                return state
            time.sleep(0.5)
        raise AssertionError(f"{run_id} is still {state}: {self.outcomes(run_id)}\n{self.problems()}")

    def outcomes(self, run_id: str) -> dict[str, tuple[str, str]]:
        """Return (status, worker) of each symbol of the run, from the ledger."""
        rows = self.query(f"SELECT symbol, status, worker FROM fetch_outcomes WHERE run_id = '{run_id}'")
        return {symbol: (status, worker) for symbol, status, worker in rows}

    def wait_for_stored(self, run_id: str, number: int, timeout_s: float = 120) -> None:
        """Wait until this many symbols of the run are stored; a database that is starting is asked again."""
        deadline = time.monotonic() + timeout_s
        seen = ""
        while time.monotonic() < deadline:
            try:
                outcomes = self.outcomes(run_id)
            except AssertionError as error:
                seen = str(error)
            else:
                if sum(status == "stored" for status, _ in outcomes.values()) >= number:
                    return
                seen = str(outcomes)
            time.sleep(0.3)
        raise AssertionError(f"not {number} stored within {timeout_s} s: {seen}")

    def calls(self, prefix: str) -> list[dict[str, Any]]:
        """Return the sandbox's log of the calls for symbols that begin so: the judge of what was asked."""
        entries = self._sandbox("log")["entries"]
        return [entry for entry in entries if str(entry["symbol"]).startswith(prefix)]

    def usage(self) -> dict[str, Any]:
        """Return the sandbox's verdict on each key."""
        return dict(self._sandbox("usage")["keys"])

    def _sandbox(self, page: str) -> dict[str, Any]:
        """Return a page of the sandbox, read in its container, past the proxy that the environment names."""
        url = f"http://127.0.0.1:8765/sandbox/{page}"
        read = f"import urllib.request as u; print(u.build_opener(u.ProxyHandler({{}})).open('{url}').read().decode())"
        return dict(json.loads(self.execute("sandbox", "python", "-c", read)))


def docker(*arguments: str) -> str:
    """Run ``docker`` and return what it prints."""
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True, timeout=120).stdout
