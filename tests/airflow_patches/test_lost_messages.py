"""What a scheduler makes of queued tasks whose message is in no queue of a real Redis."""

from types import SimpleNamespace

import pytest
import redis
from celery import Celery

from workers.airflow_patches import scheduler as scheduler_patches

LOST_AFTER_S = 15.0


class Runner:
    """As much of a scheduler as the search for stuck tasks looks at; ``queued`` are all queued for a minute."""

    _task_queued_timeout = 600.0

    def __init__(self, app: Celery) -> None:
        self.queued: list[SimpleNamespace] = []
        self.executors = [SimpleNamespace(celery_app=app, workloads={})]

    def _get_tis_stuck_in_queued(self, session: object) -> list[SimpleNamespace]:
        del session
        return self.queued if self._task_queued_timeout < 60 else []

    def publish(self, name: str) -> None:
        """Queue a task as Airflow's executor does."""
        result = self.executors[0].celery_app.send_task("execute_workload", args=[name], queue="fetch")
        self.queued.append(SimpleNamespace(id=name, key=name, queue="fetch"))
        self.executors[0].workloads[name] = result


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(scheduler_patches, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def runner(redis_url: str) -> Runner:
    kind = type("PatchedRunner", (Runner,), {})
    scheduler_patches.requeue_lost_messages(kind, lost_after_s=LOST_AFTER_S)
    return kind(Celery(broker=redis_url))


def stuck(runner: Runner) -> list[str]:
    return [instance.id for instance in runner._get_tis_stuck_in_queued(None)]


def test_task_that_waits_is_left_alone(runner: Runner, clock: SimpleNamespace):
    """However long a message waits in its queue, its task is not queued again before the queued time-out."""
    runner.publish("waits")
    for _ in range(10):
        clock.now += LOST_AFTER_S
        assert stuck(runner) == []
    assert runner._task_queued_timeout == 600.0


def test_a_lost_message_is_queued_again(runner: Runner, clock: SimpleNamespace, redis_url: str):
    """A task whose message is gone, or was taken and is not begun, is named once that has lasted; others are not."""
    for name in ("taken", "waits"):
        runner.publish(name)
    with redis.Redis.from_url(redis_url) as client:
        client.rpop("fetch")
    assert stuck(runner) == []
    clock.now += LOST_AFTER_S - 1
    assert stuck(runner) == []
    clock.now += 1
    assert stuck(runner) == ["taken"]


def test_a_task_that_begins_is_forgotten(runner: Runner, clock: SimpleNamespace, redis_url: str):
    """A message that was missing for a while counts from zero after its task was seen to begin, or to wait again."""
    runner.publish("late")
    with redis.Redis.from_url(redis_url) as client:
        message = client.rpop("fetch")
        assert stuck(runner) == []
        clock.now += LOST_AFTER_S - 1
        client.lpush("fetch", message)
        assert stuck(runner) == []
        client.rpop("fetch")
    clock.now += 1
    assert stuck(runner) == []


def test_unsent_task_is_left_alone(runner: Runner, clock: SimpleNamespace):
    """What the executor has not published yet is no loss of the broker's."""
    runner.queued.append(SimpleNamespace(id="unsent", key="unsent", queue="fetch"))
    for _ in range(3):
        assert stuck(runner) == []
        clock.now += LOST_AFTER_S


def test_without_a_broker_nothing_is_lost(runner: Runner, clock: SimpleNamespace, caplog: pytest.LogCaptureFixture):
    """While Redis does not answer nobody knows what waits in it, so nothing is queued again, and the log says so."""
    runner.publish("unknown")
    runner.executors[0].celery_app = Celery(broker="redis://127.0.0.1:9/0")
    for _ in range(2):
        assert stuck(runner) == []
        clock.now += LOST_AFTER_S
    assert "cannot say which tasks wait" in caplog.text
