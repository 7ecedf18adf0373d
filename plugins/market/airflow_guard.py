"""The page inside Airflow: who may see it is who may see the pipeline's DAG, by Airflow's own login."""

from typing import Annotated, Final

from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, FastAPI

from common.settings import PageSettings
from plugins.market.page import Page
from plugins.market.web import create_app
from workers.pipeline.feeds import DAGS, FIRST

DAG_ID: Final = DAGS[FIRST]


def who_may_see(user: GetUserDep, _: Annotated[None, Depends(requires_access_dag("GET", param_dag_id=DAG_ID))]) -> str:
    """Return the name of the person who is logged in and may see the pipeline's DAG; 401 or 403 for anybody else."""
    return user.get_name()


def airflow_app() -> FastAPI:
    """Return the app as Airflow mounts it."""
    return create_app(Page.from_settings(PageSettings.from_environment()), who_may_see, in_airflow=True)
