"""Every patch of Airflow: what it was written for, why, what it gains, and where it is applied."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pkgutil import resolve_name
from typing import Final, Literal

from common.errors import ConfigurationError
from common.settings import PatchSettings
from workers.airflow_patches import sources

log = logging.getLogger(__name__)

#: The packages whose sources the hashes below are of.
WRITTEN_FOR: Final[Mapping[str, str]] = {
    "apache-airflow-core": "3.3.2",
    "apache-airflow-task-sdk": "1.3.2",
    "apache-airflow-providers-celery": "3.26.0",
}

_SCHEDULER: Final = "airflow.jobs.scheduler_job_runner:SchedulerJobRunner"
_SUPERVISOR: Final = "airflow.sdk.execution_time.supervisor"
_TASK: Final = f"{_SUPERVISOR}:ActivitySubprocess"


@dataclass(frozen=True)
class Patch:
    """One change of Airflow. ``apply`` names the function that makes it, ``sources`` has the hash of what it relies on.

    ``upstream`` is the address of Airflow's issue, and ``gain`` what the patch alone was measured to bring.
    """

    name: str
    where: Literal["scheduler", "worker"]
    apply: str
    sources: Mapping[str, str]
    reason: str
    gain: str
    upstream: str = "none known"

    def differences(self) -> tuple[str, ...]:
        """Return the targets whose text is not the one that the patch was written for."""
        present = sources.texts(self.sources)
        return tuple(target for target, known in self.sources.items() if sources.digest(present[target]) != known)


PATCHES: Final = (
    Patch(
        "adaptive_idle_sleep",
        "scheduler",
        "workers.airflow_patches.scheduler:adaptive_idle_sleep",
        {f"{_SCHEDULER}._run_scheduler_loop": "d7dd5578d64a9b0b", f"{_SCHEDULER}.__init__": "0d573124b75acc0f"},
        "A scheduler that waits for tasks pauses as long as an idle one: each of a run's five steps waits for it.",
        "a run of four symbols took 4 s, not 7, with all patches (ADR 8); not measured alone yet",
    ),
    Patch(
        "minimum_loop_interval",
        "scheduler",
        "workers.airflow_patches.scheduler:minimum_loop_interval",
        {f"{_SCHEDULER}._run_scheduler_loop": "d7dd5578d64a9b0b", f"{_SCHEDULER}._do_scheduling": "51f71a9e8998cc17"},
        "While a fan-out runs, the scheduler loops without a pause and reads all tasks of the run for each that ended.",
        "not measured alone yet",
    ),
    Patch(
        "retry_after_kill",
        "scheduler",
        "workers.airflow_patches.scheduler:retry_after_kill",
        {
            f"{_SCHEDULER}._purge_task_instances_without_heartbeats": "0a9e6d3ccc46747a",
            "airflow.models.taskinstance:TaskInstance.next_retry_datetime": "b3d34ad2584792ef",
        },
        "The retry delay gives the provider time; a task whose worker was killed needs none.",
        "no speed: a killed worker's task is tried again at once, not after TASK_RETRY_DELAY (300 s)",
    ),
    Patch(
        "requeue_lost_messages",
        "scheduler",
        "workers.airflow_patches.scheduler:requeue_lost_messages",
        {
            f"{_SCHEDULER}._get_tis_stuck_in_queued": "aa0b33bd7e50e8e8",
            f"{_SCHEDULER}._handle_tasks_stuck_in_queued": "6c0baa66b83653e7",
            "airflow.providers.celery.executors.celery_executor:CeleryExecutor._send_workloads": "00fe4458962339e4",
            "airflow.providers.celery.executors.celery_executor:CeleryExecutor.revoke_task": "9e845a2f31929226",
        },
        "A queued task whose message the broker lost waits for the queued time-out, which is as long as a backlog.",
        "no speed: such a task is queued again after 15 to 25 s, not after 600 s",
        "https://github.com/apache/airflow/issues/21225",
    ),
    Patch(
        "wait_on_process",
        "worker",
        "workers.airflow_patches.supervisor:wait_on_process",
        {
            f"{_SUPERVISOR}:WatchedSubprocess._service_subprocess": "42a762c7c8aa4ea5",
            f"{_SUPERVISOR}:WatchedSubprocess._check_subprocess_exit": "dc039d1f36e9b6cd",
            f"{_TASK}._monitor_subprocess": "02685b2380deaafd",
        },
        "The supervisor waits on the task's sockets, which close before its process has ended; in a third of all tasks "
        "it then waits on nothing for a whole heartbeat interval.",
        "a third of all tasks ended up to a heartbeat interval (5 s) late; not measured alone yet",
    ),
    Patch(
        "count_start_as_heartbeat",
        "worker",
        "workers.airflow_patches.supervisor:count_start_as_heartbeat",
        {f"{_TASK}._on_child_started": "c1810e9d6d095987", f"{_TASK}._send_heartbeat_if_needed": "31f8f8772b8c6096"},
        "A task's start is a heartbeat to the api-server, and the supervisor sends another one milliseconds later.",
        "one call for each task, about 10 ms of the api-server's CPU; not measured alone yet",
    ),
    Patch(
        "warm_up",
        "worker",
        "workers.airflow_patches.warm_up:warm_up",
        {
            "airflow.sdk.execution_time.task_runner:parse": "69cedeb5764ac5c6",
            "airflow.dag_processing.dagbag:BundleDagBag": "36e356c259427057",
        },
        "Each task's process parses the DAG file and fills the caches of libraries.",
        "a task's start: 15 ms of CPU, not 31, in a process that was forked for it; a task takes 280",
    ),
    Patch(
        "keep_processes",
        "worker",
        "workers.airflow_patches.coordinator:keep_processes",
        {
            f"{_SUPERVISOR}:_subprocess_main": "45100c9be7e68f4e",
            f"{_SUPERVISOR}:_reset_signals": "88d152be6489e8b7",
            f"{_SUPERVISOR}:_configure_logs_over_json_channel": "6498da8a7e3cac0b",
            f"{_SUPERVISOR}:_reopen_std_io_handles": "d9f1367a00b6a0b8",
            f"{_SUPERVISOR}:_fork_main": "7b7b028048040028",
            f"{_SUPERVISOR}:WatchedSubprocess.start": "bf0ee2e40b8558a6",
            f"{_SUPERVISOR}:WatchedSubprocess._register_pipe_readers": "9b3d202845e34a9c",
            f"{_TASK}.start": "3b7c00d9ab984ddf",
            f"{_TASK}._on_child_started": "c1810e9d6d095987",
            "airflow.sdk.execution_time.coordinator:BaseCoordinator": "ef1badba005d21f5",
            "airflow.sdk.execution_time.coordinator:CoordinatorManager": "3b8ba3edd86a51db",
        },
        "A process is forked for each task: its pages are copied and its connections made for every symbol.",
        "a task of one symbol: 230 ms of CPU, not 350, beside the other patches (ADR 9)",
    ),
)

_installed: Final[set[str]] = set()


def selected(names: str) -> frozenset[str]:
    """Return the names of the patches that AIRFLOW_PATCHES asks for: ``all``, ``none``, or some of them.

    Raises ConfigurationError for a name that no patch has.
    """
    known = [patch.name for patch in PATCHES]
    wanted = names.strip().lower()
    if wanted in {"all", "none"}:
        return frozenset(known if wanted == "all" else ())
    chosen = frozenset(filter(None, map(str.strip, wanted.split(","))))
    if unknown := sorted(chosen - set(known)):
        raise ConfigurationError(
            f"AIRFLOW_PATCHES={names[:200]!r} names {unknown[0][:64]!r}, which is no patch. "
            f"Write all, none, or some of {','.join(known)}.",
            variable="AIRFLOW_PATCHES",
        )
    return chosen


def check_setting(environment: Mapping[str, str] | None = None) -> frozenset[str]:
    """Return the names of the patches that the environment selects. Raises ConfigurationError."""
    return selected(PatchSettings.from_environment(environment).airflow_patches)


def install(where: Literal["scheduler", "worker"]) -> None:
    """Apply the patches of the scheduler or of a worker that are selected and fit; a second call applies nothing.

    One whose source differs is skipped, and so is one that fails: the log says which, and why.
    Raises ConfigurationError.
    """
    names = check_setting()
    for patch in PATCHES:
        if patch.where != where or patch.name not in names or patch.name in _installed:
            continue
        if differences := patch.differences():
            log.warning(
                "the patch %s is skipped: in Airflow %s, %s is not what it was written for; "
                "python -m workers.airflow_patches --check shows more",
                patch.name,
                version("apache-airflow-core"),
                " and ".join(differences),
            )
            continue
        _installed.add(patch.name)
        try:
            resolve_name(patch.apply)()
        except Exception:
            log.exception("the patch %s could not be applied: Airflow runs without it", patch.name)
