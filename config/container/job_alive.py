"""Exit 0 if this container's Airflow job has a fresh heartbeat: ``python job_alive.py TriggererJob``.

The DAG processor is well only if what it parses can be run: without an import error, and with our DAG in the metadata.

One query with psycopg2: Airflow's own ``airflow jobs check`` asks the same, and takes 4.7 CPU-seconds to start.
"""

import socket
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2.extensions import cursor as Cursor

URL = Path("/run/pipeline/airflow/sql_alchemy_conn")
#: Airflow's own jobs beat every 10 s (config/airflow.env); two beats may be missed.
FRESH = """
SELECT max(latest_heartbeat) > now() - interval '30 seconds' FROM job
WHERE job_type = %s AND hostname = %s AND state = 'running'
"""
BROKEN = "SELECT filename, stacktrace FROM import_error ORDER BY filename LIMIT 1"
PARSED = "SELECT 1 FROM dag WHERE dag_id = 'stock_data_pipeline' AND NOT is_stale"


def main() -> int:
    """Ask the metadata database; return the exit code."""
    url = URL.read_text("utf-8").replace("postgresql+psycopg2://", "postgresql://", 1)
    with closing(psycopg2.connect(url, connect_timeout=5)) as connection, connection.cursor() as cursor:
        cursor.execute(FRESH, (sys.argv[1], socket.gethostname()))
        row = cursor.fetchone()
        problem = dag_problem(cursor) if sys.argv[1] == "DagProcessorJob" else ""
    if not (row and row[0]):
        problem = f"{sys.argv[1]} on {socket.gethostname()} has no heartbeat of the last 30 s"
    if problem:
        print(problem)
    return 1 if problem else 0


def dag_problem(cursor: Cursor) -> str:
    """Return why the DAG cannot be triggered, '' if it can."""
    cursor.execute(BROKEN)
    if broken := cursor.fetchone():
        return f"{broken[0]} cannot be parsed: {(broken[1].strip() or 'no reason is given').splitlines()[-1]!r}"
    cursor.execute(PARSED)
    return "" if cursor.fetchone() else "the DAG is not parsed yet"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, psycopg2.Error) as problem:
        sys.exit(f"the metadata database does not answer: {type(problem).__name__}")
