"""A Celery app whose worker is watched as the pipeline's workers are, quickly: for test_worker_health.py.

BROKER names the Redis, GIVE_UP how long (s) the worker may take nothing before it ends itself.
"""

import os
from pathlib import Path
from typing import Any

import redis
from celery import Celery
from celery.bootsteps import StartStopStep
from celery.signals import worker_init
from celery.worker import state

from workers import celery_health

app = Celery("watched", broker=os.environ["BROKER"])
app.conf.update(
    worker_prefetch_multiplier=1,
    task_acks_late=True,
    broker_connection_retry_on_startup=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)


@worker_init.connect
def prepare(sender: Any, **_: Any) -> None:
    heartbeat = celery_health.Heartbeat(
        Path(os.environ["AIRFLOW_HOME"]), state, give_up_s=float(os.environ["GIVE_UP"]), beat_s=0.1
    )
    celery_health.watch(sender, StartStopStep, heartbeat)


@app.task
def hold(key: str) -> None:
    """Take the slot until somebody pushes to ``key``."""
    with redis.Redis.from_url(os.environ["BROKER"]) as client:
        client.rpush(f"{key}:begun", 1)
        client.blpop([key], timeout=60)
