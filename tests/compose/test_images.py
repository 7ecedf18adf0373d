"""Images of a registry, and `docker compose watch`: what is too slow for every run (`make test-images`)."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.ports import free_port
from tests.conftest import missing
from tests.support.stack import IMAGE, ROOT, Stack, docker, fresh_clone

pytestmark = [pytest.mark.registry, pytest.mark.timeout(900)]

#: Stands for all of the base images: what is shown is that names and digests lead to what the registry has.
ANY_IMAGE = "redis:8-bookworm"


@pytest.fixture(scope="module")
def registry(engine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry on this machine, which an engine takes without TLS."""
    if not (program := shutil.which("docker-registry")):
        missing("no docker-registry: install it (Debian: apt install docker-registry)")
    folder, port = tmp_path_factory.mktemp("registry"), free_port()
    config = folder / "config.yml"
    storage = f"{{filesystem: {{rootdirectory: '{folder / 'data'}'}}}}"
    config.write_text(f"version: 0.1\nstorage: {storage}\nhttp: {{addr: '127.0.0.1:{port}'}}\n", encoding="utf-8")
    with subprocess.Popen(
        [str(program), "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as serving:
        try:
            wait_for(lambda: requests.get(f"http://127.0.0.1:{port}/v2/", timeout=2).ok)
            yield f"127.0.0.1:{port}"
        finally:
            serving.terminate()


def wait_for(happened: object, timeout_s: float = 30) -> None:
    """Ask until it is so; an error counts as not yet."""
    assert callable(happened)
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if happened():
                return
        except (requests.RequestException, AssertionError, subprocess.SubprocessError):
            pass
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.5)


def publish(image: str, name: str) -> None:
    """Push a local image to a registry under a name, and forget the name here."""
    docker("tag", image, name)
    docker("push", "--quiet", name)
    docker("image", "rm", name)


def test_pin_images_prints_digests(registry: str):
    """`make pin-images` pulls the images that are named and prints lines that fix what was pulled."""
    names = {
        "BASE_IMAGE": f"{registry}/python:3.13",
        "POSTGRES_IMAGE": f"{registry}/postgres:17",
        "REDIS_IMAGE": f"{registry}/redis:8",
    }
    for name in names.values():
        publish(ANY_IMAGE, name)
    command = ["make", "--no-print-directory", "pin-images", *(f"{key}={name}" for key, name in names.items())]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True).stdout
    lines = dict(line.split("=", 1) for line in printed.splitlines())
    assert lines.keys() == names.keys()
    for key, pinned in lines.items():
        assert re.fullmatch(re.escape(names[key].rpartition(":")[0]) + "@sha256:[0-9a-f]{64}", pinned)
        docker("pull", "--quiet", pinned)


def test_a_pulled_image_is_not_built(registry: str, tmp_path: Path):
    """With PIPELINE_PULL=missing the registry's image runs; with never it is built, whatever a registry has."""
    stack = Stack(fresh_clone(tmp_path), "pipelinepulled")
    name = f"{registry}/stock-data-pipeline:1"
    stack.compose("build", "secrets", timeout_s=900)
    built = docker("image", "inspect", "--format", "{{.Id}}", IMAGE)
    publish(IMAGE, name)
    (stack.folder / "Dockerfile").unlink()  # a build would fail
    stack.shell = {"PIPELINE_IMAGE": name}
    try:
        stack.set_dotenv(PIPELINE_PULL="never")
        assert "Dockerfile" in stack.failure("up", "secrets")
        stack.set_dotenv(PIPELINE_PULL="missing")
        stack.compose("up", "-d", "secrets", timeout_s=500)
        assert docker("image", "inspect", "--format", "{{.Id}}", name) == built
        assert {row["Image"] for row in stack.ps(all_of_them=True)} == {name}
    finally:
        stack.down()
        subprocess.run(["docker", "image", "rm", name], capture_output=True, check=False)


def test_watch_brings_change_into_workers(stack: Stack):
    """While `docker compose watch` runs, a saved file is in new worker containers, which are healthy."""
    before = {row["ID"] for row in stack.ps("airflow-worker")}
    command = ["docker", "compose", "watch", "--no-up", "airflow-worker"]
    module = stack.folder / "workers" / "marked.py"
    with subprocess.Popen(
        command, cwd=stack.folder, env=stack.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as watching:
        try:
            assert watching.stdout
            said = next((line for line in watching.stdout if "watch" in line.lower()), "")
            assert said, "it ended at once"
            module.write_text("MARK = 1\n", encoding="utf-8")
            wait_for(lambda: renewed(stack, before), timeout_s=300)
        finally:
            watching.terminate()
    stack.execute("airflow-worker", "python", "-c", "import workers.marked")


def renewed(stack: Stack, before: set[str]) -> bool:
    """Return whether every worker is a new container, and healthy."""
    rows = stack.ps("airflow-worker")
    return bool(rows) and not before & {row["ID"] for row in rows} and {row["Health"] for row in rows} == {"healthy"}
