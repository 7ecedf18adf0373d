"""The same DAG under Airflow's shipped settings: what the settings in config/airflow.env and their code bring."""

from typing import Final

from benchmarks.cluster import measure
from benchmarks.clusters import Contender, folder_of_clusters, running
from benchmarks.tables import Table, middle

SYMBOLS, TIMES = 150, 3
#: Left to Airflow's defaults. What is needed to run at all stays: executor, users, addresses, how many tasks may be
#: mapped and run at once, how long calls may take on a busy machine.
RESET: Final = (
    "AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS",  # what is patched, preloading, kept processes, the events for Flower
    "AIRFLOW__CELERY__SYNC_PARALLELISM",
    "AIRFLOW__CELERY__TASK_TRACK_STARTED",
    "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME",
    "AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC",
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL",
    "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS",
    "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP",
)


def contenders(concurrency: int) -> tuple[Contender, Contender]:
    """Return Airflow as shipped, and as it is here, with one worker of so many slots."""
    person = {"SYMBOLS_PER_TASK": "1", "WORKER_CONCURRENCY": str(concurrency)}
    return (
        Contender(f"as shipped, {concurrency} slots", person, RESET, forks=False, workers=1),
        Contender(f"this project, {concurrency} slots", person, workers=1),
    )


def run(*, quick: bool = False) -> list[Table]:
    """Run the same symbols, one a task, with four and with sixteen slots."""
    size, times = (10, 1) if quick else (SYMBOLS, TIMES)
    rows: list[tuple[str | float, ...]] = []
    with folder_of_clusters() as folder:
        for concurrency in (4, 16):
            rates: dict[str, float] = {}
            for contender in contenders(concurrency):
                with running(contender, folder) as measured:
                    seen = measure(measured, contender.name, size, times)
                rates[contender.name] = middle(one.symbols_a_second for one in seen)
                times_shipped = rates[contender.name] / next(iter(rates.values()))
                cpu, first = (middle(f) for f in zip(*((o.cpu_ms_a_symbol, o.first_row_s) for o in seen), strict=True))
                rows.append((contender.name, rates[contender.name], times_shipped, first, cpu))
    columns = ("settings", "symbols/s", "to shipped", "first row (s)", "CPU ms a symbol")
    return [Table("Airflow's shipped settings", columns, rows, _note(size, times))]


def _note(size: int, times: int) -> str:
    names = ", ".join(f"`{name}`" for name in RESET)
    return (
        f"{size} symbols, one a task, one worker; from the trigger to the last row, median of {times} runs. As "
        "shipped means: the same code and DAG (whose tasks download no list either way), each process executed and not "
        f"forked from one import, and Airflow's own defaults for {names}. Sixteen slots is Airflow's default; the "
        "machine has the cores that the head names."
    )
