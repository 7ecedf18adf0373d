"""Servers of a person's own that speak TLS, with a private certificate authority: every connection is checked."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from local.ports import free_port
from tests.compose.conftest import STACK
from tests.compose.test_running import ROOMY
from tests.support.authority import Authority
from tests.support.stack import ROOT, Stack, docker, fresh_clone

pytestmark = pytest.mark.timeout(600)

PASSWORD = "p@ss:w/rd#1"
#: Where the containers see TLS_CA_FILE.
CONTAINERS_FILE = "/run/pipeline/tls/ca.pem"
POSTGRES = """
install -o postgres -m 600 /tls/server.key /tmp/server.key
exec docker-entrypoint.sh postgres -c ssl=on -c ssl_cert_file=/tls/server.pem -c ssl_key_file=/tmp/server.key
"""
REDIS = """
install -o redis -m 600 /tls/server.key /tmp/server.key
exec docker-entrypoint.sh redis-server --port 0 --tls-port 6379 --tls-auth-clients no --appendonly yes \
  --tls-cert-file /tls/server.pem --tls-key-file /tmp/server.key --requirepass "$PASSWORD"
"""


@dataclass(frozen=True)
class Servers:
    """PostgreSQL and Redis: their containers, and their ports at an address that their certificate names or not."""

    right: str
    authority: Authority
    containers: Mapping[str, str]

    def address(self, server: str, host: str = "") -> str:
        """Return host:port as the engine publishes it."""
        ports = json.loads(docker("inspect", self.containers[server]))[0]["NetworkSettings"]["Ports"]
        (bindings,) = [bound for bound in ports.values() if bound]
        return next(f"{b['HostIp']}:{b['HostPort']}" for b in bindings if b["HostIp"] == (host or self.right))

    def environment(self, authority: str, host: str = "") -> dict[str, str]:
        """Return the variables with which the pipeline's own code uses them."""
        postgres, redis = self.address("postgres", host), self.address("redis", host)
        checked = f"sslmode=verify-full&sslrootcert={authority}"
        return {
            "MARKET_DATABASE_URL": f"postgresql://market_app@{postgres}?{checked}",
            "ADMIN_DATABASE_URL": f"postgresql://postgres@{postgres}/postgres?{checked}",
            "LIMITER_REDIS_URL": f"rediss://{redis}/1?ssl_ca_certs={authority}",
            **dict.fromkeys(("POSTGRES_PASSWORD", "REDIS_PASSWORD", "AIRFLOW_DB_PASSWORD"), PASSWORD),
            **dict.fromkeys(("MARKET_DB_PASSWORD", "MARKET_OWNER_PASSWORD", "MARKET_READER_PASSWORD"), PASSWORD),
        }


@pytest.fixture(scope="module")
def servers(bridge: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Both servers, with a certificate for the address at which containers reach this machine."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority(folder / "authority", "pipeline test")
    authority.issue(folder / "server", [bridge])
    images = {"postgres": ("postgres:17-bookworm", 5432, POSTGRES), "redis": ("redis:8-bookworm", 6379, REDIS)}
    containers = {}
    try:
        for name, (image, port, command) in images.items():
            ports = [part for host in (bridge, "127.0.0.1") for part in ("-p", f"{host}::{port}")]
            variables = ("-e", f"POSTGRES_PASSWORD={PASSWORD}", "-e", f"PASSWORD={PASSWORD}")
            mount = ("-v", f"{folder / 'server'}:/tls:ro")
            started = docker("run", "-d", "--user", "root", *ports, *variables, *mount, image, "sh", "-c", command)
            containers[name] = started.strip()
        yield Servers(bridge, authority, containers)
    finally:
        for container in containers.values():
            docker("rm", "-f", "-v", container)


def command(environment: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of ours on this machine with no other settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def checks(environment: Mapping[str, str]) -> dict[str, tuple[bool, str]]:
    """Return what the health check says of each dependency."""
    done = command(environment, "workers.fetch_and_store", "--health-check", "--json")
    assert "Traceback" not in done.stderr
    return {check["name"]: (check["healthy"], check["detail"]) for check in json.loads(done.stdout)["checks"]}


@pytest.mark.compose
def test_processes_here_check_the_servers(servers: Servers):
    """The migration, the store and the limiter work over TLS with a private authority."""
    environment = servers.environment(str(servers.authority.file))
    for _ in range(60):  # while PostgreSQL makes its data folder
        migrated = command(environment, "common.migrate")
        if not migrated.returncode:
            break
    assert migrated.returncode == 0, migrated.stderr
    nobody = {"SANDBOX_URL": f"http://127.0.0.1:{free_port()}", "API_ATTEMPTS": "1"}
    assert "limiter" not in command(environment | nobody, "workers.fetch_and_store", "--symbol", "IBM").stderr
    told = checks(environment)
    assert [told[name][0] for name in ("database", "migrations", "redis", "limiter")] == [True] * 4, told


@pytest.mark.compose
@pytest.mark.parametrize("fault", ["another authority", "another host name", "no file"])
def test_what_does_not_fit_is_refused(servers: Servers, tmp_path: Path, fault: str):
    """A certificate of another authority, or for another host, ends in a sentence, and no password is sent or shown."""
    other = Authority(tmp_path / "other", "somebody else")
    if fault == "another authority":
        environment = servers.environment(str(other.file))
    elif fault == "another host name":
        environment = servers.environment(str(servers.authority.file), host="127.0.0.1")
    else:
        environment = servers.environment(str(tmp_path / "none.pem"))
    told = checks(environment)
    for name, remedy in (("database", "sslrootcert"), ("redis", "LIMITER_REDIS_URL")):
        healthy, said = told[name]
        assert not healthy
        assert remedy in said
        assert "certificate" in said or fault == "no file"
        assert PASSWORD not in said
    migrated = command(environment, "common.migrate")
    assert migrated.returncode
    assert "certificate" in migrated.stderr
    assert "Traceback" not in migrated.stderr


@pytest.fixture(scope="module")
def checked(servers: Servers, clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack without servers, given those and the authority; not started."""
    Stack(clone, STACK).down()  # the room's other cluster has done its work
    folder = fresh_clone(tmp_path_factory.mktemp("checked"))
    (folder / "authority.pem").write_bytes(servers.authority.file.read_bytes())
    password = quote(PASSWORD, safe="")
    database = f"postgresql+psycopg2://airflow:{password}@{servers.address('postgres')}/airflow"
    stack = Stack(folder, "pipelinetls")
    given = {
        **ROOMY,
        **servers.environment(CONTAINERS_FILE),
        "AIRFLOW_DATABASE_URL": f"{database}?sslmode=verify-full&sslrootcert={CONTAINERS_FILE}",
        "CELERY_BROKER_URL": f"rediss://:{password}@{servers.address('redis')}/0?ssl_ca_certs={CONTAINERS_FILE}",
        "TLS_CA_FILE": "./authority.pem",
        "AIRFLOW_PORT": str(free_port()),
        "FLOWER_PORT": str(free_port()),
        "EXPORTER_PORT": str(free_port()),
    }
    stack.set_dotenv(**given)
    try:
        stack.compose("build", "secrets", timeout_s=900)
        yield stack
    finally:
        stack.down()


@pytest.mark.compose
def test_containers_check_the_servers(checked: Stack, servers: Servers):
    """The whole cluster runs on them: metadata, queue, results, quota and quotes, with no server of its own."""
    checked.up("--scale", "postgres=0", "--scale", "redis=0", "--scale", "airflow-triggerer=0")
    symbols = [f"CHECKED{number}" for number in range(8)]
    assert checked.finish_run(checked.start_run(symbols)) == "success"
    count = "SELECT count(*) FROM stock_quotes WHERE symbol LIKE 'CHECKED%'"
    select = ("psql", "-U", "postgres", "-d", "market_sandbox", "-Atc", count)
    assert docker("exec", "-u", "postgres", servers.containers["postgres"], *select).strip() == "8"
    assert len(checked.flower("workers?json=1")["data"]) == 1
    assert {row["Service"] for row in checked.ps()} & {"postgres", "redis"} == set()


@pytest.mark.registry
def test_containers_refuse_another_authority(checked: Stack, tmp_path: Path):
    """With another authority's file the init steps and a worker's check say so in a sentence."""
    other = Authority(tmp_path / "other", "somebody else").file
    (checked.folder / "authority.pem").write_bytes(other.read_bytes())
    checked.compose("run", "--rm", "-T", "secrets", "make")
    for service, arguments in {
        "market-init": (),
        "airflow-init": (),
        "airflow-worker": ("python", "-m", "workers.fetch_and_store", "--health-check"),
    }.items():
        said = checked.failure("run", "--rm", "--no-deps", "-T", service, *arguments)
        assert "certificate" in said, service
        assert "Traceback" not in said, service
        assert PASSWORD not in said, service
