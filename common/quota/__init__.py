"""One quota for all workers, exact at the provider's side. See docs/adr/0001-the-quota-limiter.md.

Nothing is imported here: the settings, and with them every DAG file, read ``quota.py`` and need no Redis driver.
"""
