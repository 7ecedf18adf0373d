"""The cluster as processes on one machine: embedded PostgreSQL and Redis, every Airflow process, no Docker."""
