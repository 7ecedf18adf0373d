"""The compose files, in every combination, as Compose itself reads them; no container is started."""

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from tests.support.stack import ROOT, SCALE, Stack, fresh_clone
from tests.unit.test_documents import known_variables

pytestmark = pytest.mark.compose

EXAMPLE = dotenv_values(ROOT / ".env.example")
SECRETS = {name for name in EXAMPLE if name.endswith(("PASSWORD", "_KEY", "JWT_SECRET"))} | {
    "AIRFLOW_DATABASE_URL",
    "CELERY_BROKER_URL",
}
#: Variables that steer PostgreSQL's and Redis's clients, Airflow, Python, Flower, Celery and HTTP clients.
FOREIGN = (
    *("PGHOST", "PGPASSWORD", "PGSERVICE", "REDIS_URL", "REDISCLI_AUTH", "AIRFLOW_HOME", "AIRFLOW__CORE__EXECUTOR"),
    *("PYTHONPATH", "PYTHONHOME", "FLOWER_BASIC_AUTH", "FLOWER_CONF", "CELERY_RESULT_BACKEND"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
)
OVERLAYS = {
    "base": (),
    "scale": SCALE,
    "remote": (*SCALE, "--profile", "remote"),
    "monitoring": ("--profile", "monitoring"),
}
#: Values of variables that only some values fit; every other one may be any word.
FITTING = {"CPUS": "0.5", "MEMORY": "640m", "PORT": "18080", "REPLICAS": "3", "MAX_FILES": "5", "CONNECTIONS": "99"}


def everything_set() -> str:
    """Return a .env in which nothing is empty; each secret is a marked word."""
    lines = []
    for name, value in EXAMPLE.items():
        fitting = [fit for end, fit in FITTING.items() if name.endswith(end)]
        if name in SECRETS:
            text = f"MARKED-{name}"
        elif name in {"BUILD_CA_FILE", "BUILD_NETRC_FILE", "TLS_CA_FILE"}:
            text = "./LICENSE"
        elif name == "PIPELINE_PULL":
            text = "missing"
        else:
            text = value or (fitting[0] if fitting else "word")
        lines.append(f"{name}={text}")
    return "\n".join(lines)


@pytest.fixture(scope="module", params=["no .env", ".env.example", "everything set"])
def configured(
    request: pytest.FixtureRequest, engine: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A fresh clone with one of the three kinds of .env."""
    folder = fresh_clone(tmp_path_factory.mktemp("config"))
    if request.param == ".env.example":
        shutil.copy(folder / ".env.example", folder / ".env")
    elif request.param == "everything set":
        (folder / ".env").write_text(everything_set(), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=OVERLAYS)
def config(request: pytest.FixtureRequest, configured: Path) -> dict[str, Any]:
    """What Compose makes of one combination."""
    stack = Stack(configured, "pipelineconfig", files=OVERLAYS[request.param])
    return dict(json.loads(stack.compose("config", "--format", "json")))


def test_untouched_copy_of_example_means_same(clone: Path, tmp_path: Path):
    """With .env.example copied as it is, Compose reads what it reads without any .env, in every combination.

    Of what the code reads the example spells out the defaults; that these are the code's is a unit test.
    """
    copied = fresh_clone(tmp_path / "copied")
    shutil.copy(copied / ".env.example", copied / ".env")
    bare = fresh_clone(tmp_path / "bare")
    for files in OVERLAYS.values():
        assert what_compose_reads(bare, files) == what_compose_reads(copied, files)


def test_the_documented_override_publishes_postgresql(clone: Path, tmp_path: Path):
    """With the file that the documents show, programs of this host reach PostgreSQL, and nobody else does."""
    folder = fresh_clone(tmp_path)
    page = (ROOT / "docs" / "using-the-data.md").read_text("utf-8")
    (folder / "docker-compose.override.yml").write_text(page.partition("```yaml\n")[2].partition("```")[0], "utf-8")
    config = json.loads(Stack(folder, "pipelineconfig").compose("config", "--format", "json"))
    postgres = config["services"]["postgres"]
    assert set(postgres["networks"]) == {"storage", "published"}
    assert [(port["host_ip"], port["target"]) for port in postgres["ports"]] == [("127.0.0.1", 5432)]


def test_the_shell_steers_nothing(clone: Path):
    """Variables of other programs, set in the person's shell, change nothing that Compose reads."""
    shell = dict.fromkeys(FOREIGN, "MARKED")
    for files in OVERLAYS.values():
        plain = Stack(clone, "pipelineconfig", files=files).compose("config")
        assert Stack(clone, "pipelineconfig", shell, files).compose("config") == plain


def what_compose_reads(folder: Path, files: Sequence[str]) -> dict[str, Any]:
    """Return the configuration without the folder's name and without the settings that the code reads."""
    text = Stack(folder, "pipelineconfig", files=files).compose("config", "--format", "json")
    config = json.loads(text.replace(str(folder).replace("$", "$$"), ""))
    for service in config["services"].values():
        for name in {*known_variables(), "SANDBOX_PLAN"} & (service.get("environment") or {}).keys():
            del service["environment"][name]
    return {part: value for part, value in config.items() if not part.startswith("x-")}  # anchors, merged above


def test_every_service_is_hardened(config: dict[str, Any]):
    """Each service drops every capability, gains no privilege, is bounded in memory, processes and log size."""
    for name, service in config["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service["pids_limit"] == 1024, name
        if name not in {"secrets", "market-init", "airflow-init"}:  # these end
            assert int(service["mem_limit"]) > 0, name
            assert service["restart"] == "unless-stopped", name
        if name != "secrets":  # Compose copies a file into it before it starts
            assert service["read_only"] is True, name


def test_no_secret_is_in_a_service(config: dict[str, Any]):
    """No secret that .env sets reaches a service's environment, command or labels: files do."""
    assert "MARKED" not in json.dumps(config["services"])


def test_ports_stay_on_this_machine(config: dict[str, Any]):
    """Every published port is bound to 127.0.0.1, and only the overlay publishes servers."""
    published = {
        name: [(port["host_ip"], port["target"]) for port in service.get("ports", [])]
        for name, service in config["services"].items()
    }
    assert {address for ports in published.values() for address, _ in ports} == {"127.0.0.1"}
    base = {name for name, ports in published.items() if ports} - {"postgres", "redis", "sandbox"}
    assert base - {"prometheus", "alertmanager", "grafana"} == {"airflow-apiserver", "flower", "exporter"}


def test_only_who_must_reaches_the_servers(config: dict[str, Any]):
    """PostgreSQL and Redis are on a network without a way out; the sandbox is not on it."""
    assert config["networks"]["storage"]["internal"] is True
    on_storage = {name for name, service in config["services"].items() if "storage" in (service.get("networks") or {})}
    assert {"postgres", "redis"} <= on_storage
    assert on_storage & {"sandbox", "secrets", "airflow-worker-remote"} == set()


def test_workers_have_time_to_stop(config: dict[str, Any]):
    """Replicas can't share a name, and a worker that stops has the longest task's time and 30 s."""
    for name, service in config["services"].items():
        if name.startswith("airflow-worker"):
            assert not {"hostname", "container_name"} & service.keys()
            assert service["stop_grace_period"] in {"11m0s", "word"}
