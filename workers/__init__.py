"""What runs on a Celery worker: the fetch-and-store job, its wiring, and the doors to Airflow and Celery."""
