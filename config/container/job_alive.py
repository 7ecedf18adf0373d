"""Exit 0 if this container's Airflow job has a fresh heartbeat: ``python job_alive.py TriggererJob``.

One query with psycopg2: Airflow's own ``airflow jobs check`` asks the same, and takes 4.7 CPU-seconds to start.
"""

import socket
import sys
from contextlib import closing
from pathlib import Path

import psycopg2

URL = Path("/run/pipeline/airflow/sql_alchemy_conn")
#: Airflow's own jobs beat every 10 s (config/airflow.env); two beats may be missed.
FRESH = """
SELECT max(latest_heartbeat) > now() - interval '30 seconds' FROM job
WHERE job_type = %s AND hostname = %s AND state = 'running'
"""


def main() -> int:
    """Ask the metadata database; return the exit code."""
    url = URL.read_text("utf-8").replace("postgresql+psycopg2://", "postgresql://", 1)
    with closing(psycopg2.connect(url, connect_timeout=5)) as connection, connection.cursor() as cursor:
        cursor.execute(FRESH, (sys.argv[1], socket.gethostname()))
        row = cursor.fetchone()
    if row and row[0]:
        return 0
    print(f"{sys.argv[1]} on {socket.gethostname()} has no heartbeat of the last 30 s")
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, psycopg2.Error) as problem:
        sys.exit(f"the metadata database does not answer: {type(problem).__name__}")
