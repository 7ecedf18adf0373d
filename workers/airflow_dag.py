"""What a DAG file declares with, made from the settings."""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, DeltaTriggerTimetable
from airflow.sdk.bases.timetable import BaseTimetable

from common.settings import DagSettings


def timetable(settings: DagSettings) -> BaseTimetable | None:
    """Return when the DAG runs by itself: at the cron line's or preset's times, at intervals, or (None) never.

    A fresh installation waits for the next time; one that was off when a run was due makes up for the latest.
    """
    schedule = settings.stock_schedule
    if isinstance(schedule, timedelta):
        return DeltaTriggerTimetable(schedule)
    if schedule is None:
        return None
    # Airflow's own default makes up for a time that passed less than a tenth of the period ago: at two in the morning a
    # fresh installation would spend the day's quota before anybody has looked at it.
    return CronTriggerTimetable(schedule, timezone=settings.stock_timezone, run_immediately=timedelta(0))
