"""The pipeline's core: models, client, validation, limiter and store. Knows neither Airflow nor Celery."""
