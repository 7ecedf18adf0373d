"""Label a mapped task in the UI before it ends, for which Airflow's Task SDK has no public call."""

from airflow.sdk.execution_time import comms, task_runner


def send_label(label: str) -> None:
    """Send the label of the running task's map index to the api-server, by a call of its own."""
    task_runner.SUPERVISOR_COMMS.send(comms.SetRenderedMapIndex(rendered_map_index=label))
