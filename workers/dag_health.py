"""Whether Airflow can run the DAG, by what its metadata database says: parsed, without an import error, not paused."""

import os
from contextlib import closing
from typing import Final

from pydantic import SecretStr

from common.database.address import Address, Variables
from common.errors import StoreNotReady
from common.redaction import one_line
from common.settings.source import read_variable_or_command

DAG_ID: Final = "stock_data_pipeline"
_VARIABLE: Final = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_TIMEOUT_S: Final = 10
_IMPORT_ERRORS: Final = "SELECT filename, stacktrace FROM import_error ORDER BY filename LIMIT 1"
_DAG: Final = "SELECT is_paused, is_stale, last_parsed_time FROM dag WHERE dag_id = %s"


def knows_airflow() -> bool:
    """Whether the environment says where Airflow's metadata is."""
    return bool(os.environ.get(_VARIABLE) or os.environ.get(f"{_VARIABLE}_CMD"))


def check_dag() -> str:
    """Return what is known of the DAG. Raises StoreNotReady if it cannot be triggered, or StoreUnavailable."""
    address = Address(
        SecretStr(read_variable_or_command(os.environ, _VARIABLE).replace("+psycopg2", "", 1)),
        timeout_s=_TIMEOUT_S,
        application_name="stock-pipeline-health",
        variables=Variables(url=_VARIABLE),
    )
    with address.errors_translated(), closing(address.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(_IMPORT_ERRORS)
        if broken := cursor.fetchone():
            raise StoreNotReady(f"{broken[0]} cannot be imported: {last_line(broken[1])}")
        cursor.execute(_DAG, (DAG_ID,))
        row = cursor.fetchone()
    if row is None or row[1]:
        raise StoreNotReady(f"{DAG_ID} is not parsed (yet): see the log of the DAG processor.")
    paused = ", paused: nothing runs until somebody unpauses it" if row[0] else ""
    return f"{DAG_ID}, parsed {row[2]:%Y-%m-%d %H:%M:%S} UTC{paused}"


def last_line(stack_trace: str) -> str:
    """Return the sentence that a stack trace ends with, without the error's class where it is one of ours."""
    lines = [line.strip() for line in stack_trace.splitlines() if line.strip()] or ["no reason is given"]
    return one_line(lines[-1].removeprefix("common.errors.ConfigurationError: "), 300)
