"""The Celery side: what monitors see, and what a worker prepares before it forks."""

import json
import signal
from types import SimpleNamespace

import pytest
from airflow.sdk.execution_time import comms, supervisor

from workers import celery_config

TOKEN = "eyJhbGciOiJIUzUxMiJ9.marked.token"


def published(body: object) -> dict[str, object]:
    headers: dict[str, object] = {"argsrepr": f"('{body}',)", "kwargsrepr": "{}", "task": "execute_workload"}
    celery_config.redact_arguments(headers=headers, body=body)
    return headers


@pytest.mark.parametrize(
    ("index", "name"),
    [(-1, "stock_data_pipeline.plan"), (7, "stock_data_pipeline.plan[7]"), (0, "stock_data_pipeline.plan[0]")],
)
def test_a_workload_is_named_and_its_token_hidden(index: int, name: str):
    """Monitors see DAG, task and map index; the bearer token is in no header, and the body stays as it was."""
    workload = {"token": TOKEN, "ti": {"dag_id": "stock_data_pipeline", "task_id": "plan", "map_index": index}}
    body = ([json.dumps(workload)], {}, {})
    headers = published(body)
    assert headers["shadow"] == name
    assert name in str(headers["argsrepr"])
    assert TOKEN not in str(headers)
    assert TOKEN in body[0][0]


@pytest.mark.parametrize("body", [None, (), ([],), (["no json"], {}, {}), (['{"token": "x"}'], {}, {}), ([7], {}, {})])
def test_another_message_is_hidden_all_the_same(body: object):
    """A message that is no workload of a DAG gets a plain name and shows no argument."""
    headers = published(body)
    assert (headers["shadow"], headers["kwargsrepr"]) == ("workload", "{}")
    assert "token" not in str(headers["argsrepr"])


def test_no_event_shows_the_arguments_before_redaction():
    """The events that Flower draws from are on; the one that is made before redaction is off."""
    assert celery_config.CELERY_CONFIG["worker_send_task_events"] is True
    assert celery_config.CELERY_CONFIG["task_send_sent_event"] is False


def test_a_pool_process_reaps_its_children():
    """The handler for ended children is the system's own again."""
    kept = signal.signal(signal.SIGCHLD, lambda *_: None)
    try:
        celery_config.reset_child_signals()
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGCHLD, kept)


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> dict[object, object]:
    """What patch_airflow() replaces, put back afterwards."""
    kept = {}
    for owner, name in PATCHED:
        kept[owner, name] = getattr(owner, name)
        monkeypatch.setattr(owner, name, kept[owner, name])
    monkeypatch.setattr(supervisor, celery_config._MARK, False, raising=False)
    return kept


PATCHED = (
    (supervisor.ActivitySubprocess, "_service_subprocess"),
    (supervisor.ActivitySubprocess, "_on_child_started"),
    (comms, "TypeAdapter"),
)


def now() -> dict[object, object]:
    return {(owner, name): getattr(owner, name) for owner, name in PATCHED}


def test_the_patches_are_applied_once(shipped: dict[object, object]):
    """The first call replaces what Airflow ships, a second call changes nothing."""
    assert celery_config.patch_airflow()
    once = now()
    assert all(once[key] is not shipped[key] for key in shipped)
    assert celery_config.patch_airflow()
    assert now() == once


def test_another_airflow_is_left_as_it_is(
    shipped: dict[object, object], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A version that nobody has looked at runs as it was shipped, and the log says so."""
    monkeypatch.setattr(celery_config, "airflow_version", "9.9.9")
    assert celery_config.patch_airflow() is False
    assert now() == shipped
    assert "Airflow 9.9.9 is not 3.3.2" in caplog.text


def test_a_worker_is_watched_whatever_else_fails(monkeypatch: pytest.MonkeyPatch):
    """A module that cannot be imported leaves a worker that is slower, and not one without its health check."""
    monkeypatch.setattr(celery_config, "PRELOADED", ("airflow.renamed",))
    worker = SimpleNamespace(app=SimpleNamespace(steps={"consumer": set()}))
    with pytest.raises(ModuleNotFoundError, match="renamed"):
        celery_config.prepare_worker(sender=worker)
    assert [step.__name__ for step in worker.app.steps["consumer"]] == ["Heartbeat"]


def test_a_dag_that_cannot_be_rehearsed_stops_no_worker(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """What is wrong with the DAG's folder is logged, and the worker starts."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("the folder is away")

    monkeypatch.setattr(celery_config.supervision, "parse_once", fail)
    celery_config.rehearse()
    assert "stock_data_dag.py could not be rehearsed" in caplog.text
    assert "the folder is away" in caplog.text


def test_the_locked_airflow_is_the_one_that_is_patched():
    """Whoever upgrades Airflow must look at the patches again."""
    from airflow import __version__

    assert __version__ == celery_config.PATCHED_AIRFLOW
