"""The pipeline's core: models, client, validation, limiter and store. Knows neither Airflow nor Celery."""

#: The version of all that ships, as pyproject.toml says it; the image has no such file.
__version__ = "0.1.0"
