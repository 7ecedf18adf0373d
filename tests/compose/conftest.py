"""A real engine, and one stack for the whole room."""

import json
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from local.ports import free_port
from tests.conftest import missing
from tests.support.proxy import Proxy, running_proxy
from tests.support.stack import Stack, docker, fresh_clone

#: The project's name of the room's one stack.
STACK = "pipelinetest"


@pytest.fixture(scope="session")
def engine() -> None:
    """Compose v2 and an engine that answers; .ci/docker-engine brings them up on Debian."""
    for command in (["docker", "compose", "version"], ["docker", "info"]):
        try:
            subprocess.run(command, capture_output=True, check=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            missing(f"`{' '.join(command)}` does not answer: install Docker with Compose v2, or start its engine")


@pytest.fixture(scope="session")
def clone(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone, without a .env."""
    return fresh_clone(tmp_path_factory.mktemp("clone"))


@pytest.fixture(scope="session")
def bridge(engine: None) -> str:
    """The address at which containers of any project reach this machine."""
    addresses = json.loads(docker("network", "inspect", "bridge"))[0]["IPAM"]["Config"][0]
    return addresses.get("Gateway") or str(ip_network(addresses["Subnet"])[1])  # older engines leave the default out


@pytest.fixture(scope="session")
def proxy(bridge: str) -> Iterator[Proxy]:
    """A proxy that takes every request down and forwards none."""
    with running_proxy(bridge) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def behind_proxy(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's Docker configuration that gives each container the proxy, in both spellings."""
    folder = tmp_path_factory.mktemp("docker")
    proxies = {"httpProxy": proxy.url, "httpsProxy": proxy.url, "noProxy": "unrelated.example"}
    plugins = [str(Path.home() / ".docker" / "cli-plugins")]
    config = {"proxies": {"default": proxies}, "cliPluginsExtraDirs": plugins}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def stack(clone: Path, behind_proxy: Path) -> Iterator[Stack]:
    """The cluster with four workers, as `docker compose up --scale airflow-worker=4` starts it on a fresh clone.

    All of it behind the proxy: a connection of its own that went there would fail.
    """
    published = ("AIRFLOW", "FLOWER", "EXPORTER", "PROMETHEUS", "ALERTMANAGER", "GRAFANA")
    ports = {f"{name}_PORT": str(free_port()) for name in published}
    stack = Stack(clone, STACK, {**ports, "DOCKER_CONFIG": str(behind_proxy)})
    stack.down()
    try:
        Stack(clone, STACK, ports).compose("build", "secrets", timeout_s=900)
        took_s = stack.up("--scale", "airflow-worker=4")
        print(f"all healthy after {took_s:.1f} s")
        yield stack
    finally:
        stack.down()
