"""What is printed for a .env is read by Compose as it was; the command line alone is asked, no engine."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support import values
from tests.support.stack import ROOT

pytestmark = [pytest.mark.compose, pytest.mark.timeout(120)]


def test_compose_reads_what_we_print(engine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`make_secrets.py join` quotes for a .env; `docker compose config` shows each value again."""
    monkeypatch.syspath_prepend(ROOT / "config" / "container")
    import make_secrets

    wanted = {f"V{n}": value for n, value in enumerate(values.passwords()) if value.isprintable()}
    lines = [f"{name}={make_secrets.dotenv_quoted(value)}" for name, value in wanted.items()]
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    service = {"image": "none", "environment": {name: f"${{{name}}}" for name in wanted}}
    (tmp_path / "compose.yml").write_text(yaml.safe_dump({"services": {"x": service}}), encoding="utf-8")
    done = subprocess.run(
        ["docker", "compose", "config", "--format", "json"], cwd=tmp_path, capture_output=True, check=True
    )
    shown = json.loads(done.stdout)["services"]["x"]["environment"]
    assert {name: value.replace("$$", "$") for name, value in shown.items()} == wanted
