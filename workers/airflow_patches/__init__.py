"""What this project changes in Airflow's private parts, because Airflow has no setting for it."""
