"""What this project changes in Airflow's private parts, because Airflow has no setting for it.

The one folder that may import them. ``registry.py`` lists the patches; each is applied where the source that it was
written for is there, and ``python -m workers.airflow_patches --check`` shows which are. README.md has the table, and
how to upgrade Airflow. Importing this package imports nothing of Airflow.
"""

from workers.airflow_patches.registry import PATCHES, Patch, check_setting, install, selected

__all__ = ["PATCHES", "Patch", "check_setting", "install", "selected"]
