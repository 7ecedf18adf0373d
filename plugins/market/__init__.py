"""The Market page: the stored prices, their freshness and the quota, in the Airflow UI or alone. It reads, no more."""
