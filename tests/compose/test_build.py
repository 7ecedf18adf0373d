"""The image's build behind a private index: its authority and its password are used, and stay out of the image."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.package_index import USER, make_wheel, running_index
from tests.support.stack import Stack, docker, fresh_clone

pytestmark = [pytest.mark.compose, pytest.mark.timeout(600)]

IMAGE = "stock-data-pipeline:privatetest"
#: pip takes no address for a host with a certificate of its own.
HOST = "index.test"
PASSWORD = "MARKED-index-password"
SAVE = ("docker", "save", IMAGE)


def download_installer(clone: Path, wheels: Path) -> None:
    """Get the locked installer's wheel from the index that this machine uses."""
    wheels.mkdir()
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    subprocess.run(
        [*pip, "-r", str(clone / "requirements-uv.lock"), "-d", str(wheels)],
        check=True,
        timeout=300,
        capture_output=True,
    )


def test_private_index_leaves_no_trace(bridge: str, tmp_path: Path):
    """Both installers trust the authority and log in by the netrc; neither is in the image or in its history."""
    clone = fresh_clone(tmp_path)
    wheels = tmp_path / "wheels"
    download_installer(clone, wheels)
    (clone / "requirements.lock").write_text(make_wheel(wheels, "markedpackage"), encoding="utf-8")
    authority = Authority(tmp_path / "authority", "private index")
    authority.issue(tmp_path / "server", [HOST])
    (clone / "build-ca.pem").write_bytes(authority.file.read_bytes())
    (clone / "build-netrc").write_text(f"machine {HOST} login {USER} password {PASSWORD}\n", encoding="utf-8")
    (clone / "build-netrc").chmod(0o600)
    resolved = {"services": {"secrets": {"build": {"extra_hosts": [f"{HOST}={bridge}"]}}}}
    (clone / "hosts.json").write_text(json.dumps(resolved), encoding="utf-8")
    files = ("-f", "docker-compose.yml", "-f", "hosts.json")
    stack = Stack(clone, "pipelineprivate", {"PIPELINE_IMAGE": IMAGE}, files)
    with running_index(bridge, tmp_path / "server", wheels, PASSWORD) as index:
        stack.set_dotenv(
            INDEX_URL=index.url.replace(bridge, HOST), BUILD_CA_FILE="./build-ca.pem", BUILD_NETRC_FILE="./build-netrc"
        )
        try:
            stack.compose("build", "secrets", timeout_s=500)
            assert {path.rpartition("/")[2] for path in index.granted} >= {file.name for file in wheels.iterdir()}
            found = docker("run", "--rm", "--entrypoint", "/opt/venv/bin/python", IMAGE, "-c", "import markedpackage")
            assert found == ""
            assert PASSWORD not in docker("history", "--no-trunc", "--format", "{{json .}}", IMAGE)
            assert PASSWORD not in json.dumps(json.loads(docker("inspect", IMAGE)))
            certificate = authority.file.read_bytes().splitlines()[1]
            assert traces(PASSWORD.encode(), certificate) == []
        finally:
            docker("image", "rm", "--force", IMAGE)


def traces(*secrets: bytes) -> list[bytes]:
    """Return those of the secrets that any layer of the image holds, deleted files too."""
    found = set()
    kept = b""
    with subprocess.Popen(SAVE, stdout=subprocess.PIPE) as saving:
        assert saving.stdout
        while block := saving.stdout.read(1 << 20):
            found |= {secret for secret in secrets if secret in kept + block}
            kept = block[-256:]
    assert saving.returncode == 0
    return sorted(found)
