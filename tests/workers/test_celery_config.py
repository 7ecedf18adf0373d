"""The Celery side: what monitors see, and what its signals start."""

import json
import signal
from types import SimpleNamespace

import pytest

from workers import celery_config
from workers.airflow_patches import warm_up

TOKEN = "eyJhbGciOiJIUzUxMiJ9.marked.token"


def published(body: object) -> dict[str, object]:
    headers: dict[str, object] = {"argsrepr": f"('{body}',)", "kwargsrepr": "{}", "task": "execute_workload"}
    celery_config.redact_arguments(headers=headers, body=body)
    return headers


@pytest.mark.parametrize(
    ("index", "shown"),
    [
        (-1, "(run_id='manual__1', try_number=2)"),
        (0, "(run_id='manual__1', map_index=0, try_number=2)"),
        (7, "(run_id='manual__1', map_index=7, try_number=2)"),
    ],
)
def test_a_workload_is_named_without_token(index: int, shown: str):
    """Monitors see DAG and task as the name, the map index among the arguments, and the bearer token nowhere."""
    instance = {"dag_id": "stock_data_pipeline", "task_id": "plan", "run_id": "manual__1", "try_number": 2}
    body = ([json.dumps({"token": TOKEN, "ti": instance | {"map_index": index}})], {}, {})
    headers = published(body)
    assert headers["shadow"] == "stock_data_pipeline.plan"
    assert headers["argsrepr"] == shown
    assert TOKEN not in str(headers)
    assert TOKEN in body[0][0]


def test_sixty_map_indexes_share_one_name():
    """Flower keeps series for each name that it sees, so a fan-out adds one name, however wide it is."""
    instance = {"dag_id": "stock_data_pipeline", "task_id": "fetch_and_store"}
    bodies = [([json.dumps({"ti": instance | {"map_index": index}})], {}, {}) for index in range(60)]
    assert {published(body)["shadow"] for body in bodies} == {"stock_data_pipeline.fetch_and_store"}


@pytest.mark.parametrize("body", [None, (), ([],), (["no json"], {}, {}), (['{"token": "x"}'], {}, {}), ([7], {}, {})])
def test_another_message_is_hidden_too(body: object):
    """A message that is no workload of a DAG gets a plain name and shows no argument."""
    headers = published(body)
    assert (headers["shadow"], headers["kwargsrepr"]) == ("workload", "{}")
    assert "token" not in str(headers["argsrepr"])


def test_no_event_shows_unredacted_arguments():
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


def test_a_failing_import_leaves_the_watch(monkeypatch: pytest.MonkeyPatch):
    """A module that cannot be imported leaves a worker that is slower, and not one without its health check."""
    monkeypatch.setattr(warm_up, "PRELOADED", ("airflow.renamed",))
    worker = SimpleNamespace(app=SimpleNamespace(steps={"consumer": set()}))
    with pytest.raises(ModuleNotFoundError, match="renamed"):
        celery_config.prepare_worker(sender=worker)
    assert [step.__name__ for step in worker.app.steps["consumer"]] == ["HeartbeatStep"]


def test_a_wrong_patch_ends_the_process(monkeypatch: pytest.MonkeyPatch):
    """A name that no patch has ends each process of Airflow at its start, and says which names there are."""
    monkeypatch.setenv("AIRFLOW_PATCHES", "wait_on_proces")
    with pytest.raises(SystemExit, match=r"'wait_on_proces', which is no patch\. Write all, none, or some of"):
        celery_config.patch_scheduler()
