"""The documents say what is there: every variable, every command, in both directions."""

import re
import shlex
from pathlib import Path

import pytest
from dotenv import dotenv_values

from common.settings import (
    DagSettings,
    LogSettings,
    MonitoringSettings,
    NotificationSettings,
    PatchSettings,
    PipelineSettings,
)
from local.environment import TUNABLES
from workers.__main__ import _parser as workers_parser
from workers.fetch_and_store import _parser as fetch_parser

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / ".env.example"
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/docker.md",
    "docs/quarantine.md",
    "docs/adjusted-prices.md",
    "docs/using-the-data.md",
    "docs/pandas-polars-duckdb.md",
    "docs/restatements.md",
    "docs/runbook.md",
    "docs/gaps.md",
    "docs/market-page.md",
    "docs/quality.md",
    "docs/logs.md",
    "docs/notifications.md",
    "docs/retention.md",
    "docs/triggered-by-data.md",
    "docs/universe.md",
)
COMPOSE_FILES = ("docker-compose.yml", "docker-compose.scale.yml")
#: ``${NAME:-default}`` in a compose file; the default may be empty, or hold one more variable.
INTERPOLATED = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?::-((?:[^{}]|\{[^}]*\})*)|:\+[^}]*)?\}")

#: Whoever reads variables of the environment.
MODELS = (PipelineSettings, DagSettings, PatchSettings, NotificationSettings, MonitoringSettings, LogSettings)


def known_variables() -> set[str]:
    fields = [name.upper() for model in MODELS for name in model.model_fields]
    return {*fields, *TUNABLES}


def compose_variables() -> dict[str, set[str]]:
    """Return each variable that a compose file reads, with the defaults that stand there."""
    found: dict[str, set[str]] = {}
    for name in COMPOSE_FILES:
        for variable, default in INTERPOLATED.findall((ROOT / name).read_text("utf-8")):
            found.setdefault(variable, set()).add(default)
    return found


def test_example_has_every_variable():
    """.env.example names exactly the variables that are read, by the code or by Compose; NAME_FILE goes with NAME."""
    by_compose = {name for name in compose_variables() if name.removesuffix("_FILE") not in compose_variables()}
    by_compose |= {name for name in compose_variables() if not name.endswith("_FILE")}
    assert set(dotenv_values(EXAMPLE)) == known_variables() | by_compose


def test_compose_passes_on_every_setting():
    """Each variable that the code reads can be set in .env with Docker too."""
    given = {name.removesuffix("_FILE") for name in compose_variables()}
    assert known_variables() - given == set()


def test_example_has_defaults_of_compose():
    """The example shows the one default of each variable, or nothing, so an untouched copy changes nothing."""
    code = {name.upper() for model in MODELS for name in model.model_fields}
    for variable, value in dotenv_values(EXAMPLE).items():
        if value and variable not in code and variable != "WORKER_CONCURRENCY":  # its default is config/airflow.env's
            assert compose_variables()[variable] == {value}, variable


def test_container_tunes_what_local_cluster_tunes():
    """The entrypoint maps the same three variables to the same Airflow settings as `make up`."""
    script = (ROOT / "config" / "container" / "entrypoint").read_text("utf-8")
    assert dict(re.findall(r'-n "\$\{(\w+):-\}" \]; then export (AIRFLOW__\w+)=', script)) == dict(TUNABLES)


def test_image_gets_what_it_copies():
    """What the Dockerfile copies from the checkout, .dockerignore lets through; else no image can be built."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    copied = {
        name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    }
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert copied == {line[1:] for line in ignored if line.startswith("!")}


def test_image_owns_the_secrets_folders():
    """The image makes each folder that the secrets step writes into: a new volume takes over its owner from there."""
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    written = set(re.findall(r"- secrets-\w+:(/run/pipeline/\w+)$", compose, re.MULTILINE))
    assert written
    assert written - set((ROOT / "Dockerfile").read_text("utf-8").split()) == set()


def test_the_example_changes_nothing():
    """An untouched copy of .env.example means the defaults."""
    values = {name: value or "" for name, value in dotenv_values(EXAMPLE).items()}
    host = {"WORKER_NAME": "same"}  # else the host's name, which is not the example's
    assert PipelineSettings.from_environment(values | host) == PipelineSettings.from_environment(host)
    assert DagSettings.from_environment(values) == DagSettings.from_environment({})


def test_each_variable_is_explained():
    """Above each variable, or the group that it stands in, is a comment."""
    lines = EXAMPLE.read_text("utf-8").splitlines()
    bare = []
    for number, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            above = number
            while "=" in lines[above] and not lines[above].startswith("#"):
                above -= 1
            if not lines[above].startswith("# ") or lines[above].startswith("# ---"):
                bare.append(line)
    assert bare == []


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def commands(document: str) -> set[str]:
    return set(re.findall(r"\bmake ([a-z][a-z-]*)", (ROOT / document).read_text("utf-8")))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_documented_make_target_exists(document: str):
    """A command that a document names is one that make knows."""
    assert commands(document) - makefile_targets() == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_documented_command_is_understood(document: str):
    """What a document shows of `python -m workers` and of `workers.fetch_and_store` is what they take."""
    parsers = {"workers": workers_parser()[0], "workers.fetch_and_store": fetch_parser()}
    text = (ROOT / document).read_text("utf-8")
    for module, words in re.findall(r"^\$ python -m (workers[\w.]*) ([^#\n]*)", text, re.MULTILINE):
        if module in parsers:
            parsers[module].parse_args(shlex.split(words))


def test_the_two_commands_stand_first():
    """A newcomer sees the demo and the tests at the top of the README."""
    top = (ROOT / "README.md").read_text("utf-8").splitlines()[:12]
    assert "$ make demo" in "\n".join(top)
    assert "$ make test" in "\n".join(top)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str):
    """Every relative link names a file or folder that is there."""
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / document).read_text("utf-8"))
    assert [link for link in links if not ((ROOT / document).parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_documented_service_and_variable_exists(document: str):
    """A service that a Docker command names is in a compose file; a variable in capitals is in the example."""
    text = (ROOT / document).read_text("utf-8")
    services = {
        name
        for file in COMPOSE_FILES
        for name in re.findall(r"^  ([a-z-]+):", (ROOT / file).read_text("utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"docker compose (?:exec|logs|ps|run --rm -T) (?:-\S+ )*([a-z][a-z-]+)", text))
    named |= set(re.findall(r"--scale ([a-z-]+)=", text))
    assert named - services == set()
    others = {"HTTP_PROXY", "HTTPS_PROXY", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "NAME_FILE"}
    assert set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)\b", text)) - others - set(dotenv_values(EXAMPLE)) == set()


def test_ci_runs_the_documented_test_command():
    """What CI runs is what the README tells a newcomer to run."""
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_every_shared_setting_has_its_reason():
    """In config/airflow.env a comment stands above each setting, or above the group that it opens."""
    lines = (ROOT / "config" / "airflow.env").read_text("utf-8").splitlines()
    reasons = sum(line.startswith("# ") and not line.startswith("# ---") for line in lines)
    settings = sum(line.startswith("AIRFLOW__") for line in lines)
    assert reasons >= settings * 0.7


def test_no_secret_is_in_committed_setting():
    """Neither shared settings nor the example hold a password, key or token."""
    for name in (".env.example", "config/airflow.env"):
        for variable, value in dotenv_values(ROOT / name).items():
            if re.search(r"PASSWORD|SECRET|API_KEY|FERNET", variable):
                assert not value, f"{name}: {variable}"


def test_every_decision_is_in_the_index():
    """The index of decisions has each record under its title, with a date and a status, and nothing besides."""
    folder = ROOT / "docs" / "adr"
    row = re.compile(r"\| (\d+) \| \[(.+)\]\((\S+\.md)\) \| \d{4}-\d{2}-\d{2} \| (?:accepted|replaced by)\b.* \|")
    listed = {
        file: f"# {number}. {title}" for number, title, file in row.findall((folder / "README.md").read_text("utf-8"))
    }
    titles = {path.name: path.read_text("utf-8").splitlines()[0] for path in folder.glob("[0-9]*.md")}
    assert listed == titles
