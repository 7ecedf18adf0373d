"""Prometheus and Alertmanager beside the cluster, where they are installed: their files, their addresses."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from local.processes import Program
from local.state import ROOT, State

FILES: Final = ROOT / "monitoring"
#: The server's name, and how a Debian user gets it.
_NEEDED: Final[Mapping[str, str]] = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}
#: An address between containers, and whose it is.
_ADDRESSES: Final[Mapping[str, str]] = {
    "exporter:9464": "exporter",
    "alertmanager:9093": "alertmanager",
    "localhost:9090": "prometheus",
}


def missing_programs() -> list[str]:
    """Return the packages that have to be installed first."""
    return [package for server, package in _NEEDED.items() if not _found(server)]


def _found(server: str) -> str | None:
    return shutil.which(_NEEDED[server]) or shutil.which(server)


def monitoring_programs(state: State, ports: Mapping[str, int]) -> list[Program]:
    """Write the servers' files and return the servers, which listen on 127.0.0.1 only. Both must be installed."""
    folder = state.folder / "monitoring"
    folder.mkdir(exist_ok=True, mode=0o700)
    shutil.copyfile(FILES / "rules.yml", folder / "rules.yml")
    for name in ("prometheus.yml", "alertmanager.yml"):
        (folder / name).write_text(json.dumps(here(FILES / name, ports), indent=2), encoding="utf-8")
    return [
        Program("prometheus", _prometheus(folder, ports), stop_wait_s=10),
        Program("alertmanager", _alertmanager(folder, ports), stop_wait_s=5),
    ]


def _prometheus(folder: Path, ports: Mapping[str, int]) -> list[str]:
    return [
        _found("prometheus") or "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{ports['prometheus']}",
    ]


def _alertmanager(folder: Path, ports: Mapping[str, int]) -> list[str]:
    return [
        _found("alertmanager") or "alertmanager",
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
        "--cluster.listen-address=",  # one of them: no others to agree with
    ]


def here(path: Path, ports: Mapping[str, int]) -> dict[str, Any]:
    """Return what stands in a file for containers, with the addresses of this machine."""
    text = path.read_text("utf-8")
    for container, server in _ADDRESSES.items():
        text = text.replace(container, f"127.0.0.1:{ports[server]}")
    return dict(yaml.safe_load(text))
