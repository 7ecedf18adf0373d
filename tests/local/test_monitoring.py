"""Prometheus and Alertmanager beside the cluster: their files are the committed ones, with this machine's addresses."""

import json
from pathlib import Path

import pytest

from local import monitoring
from local.cluster import Cluster
from local.state import PREFERRED_PORTS, State

PORTS = {**PREFERRED_PORTS, "exporter": 19464, "prometheus": 19090, "alertmanager": 19093}


def test_addresses_are_this_machines(tmp_path: Path):
    """No name of a container is left, and the rules are the committed ones."""
    programs = monitoring.monitoring_programs(State(tmp_path), PORTS)
    folder = tmp_path / "monitoring"
    texts = {path.name: path.read_text("utf-8") for path in folder.glob("*.yml")}
    assert [name for name, text in texts.items() if "exporter:" in text or "alertmanager:9" in text] == []
    assert texts["rules.yml"] == (monitoring.FILES / "rules.yml").read_text("utf-8")
    targets = [job["static_configs"][0]["targets"] for job in json.loads(texts["prometheus.yml"])["scrape_configs"]]
    assert targets == [["127.0.0.1:19464"], ["127.0.0.1:19093"], ["127.0.0.1:19090"]]
    assert all("127.0.0.1:" in " ".join(program.command) for program in programs)


def test_missing_programs_are_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where they are not installed the cluster starts without them, and says which packages to install."""
    said: list[str] = []
    monkeypatch.setenv("PATH", "/nowhere")
    assert Cluster(State(tmp_path), say=said.append, monitoring=True)._monitoring_programs() == []
    assert "install prometheus and prometheus-alertmanager" in said[0]
