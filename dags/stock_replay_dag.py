"""The DAG ``stock_replay``: refused replies judged again, when a person asks for it."""

from airflow.sdk import DAG, Param

from common.datasets import NAMES
from common.settings import DagSettings
from workers.airflow_dag import TAGS, default_args
from workers.airflow_replay import ReplayRefused

settings = DagSettings.from_environment()

with DAG(
    dag_id="stock_replay",
    description="Judge refused replies by today's rules and store what is sound",
    doc_md="""
    ### Replay of refused replies
    Once a check was mended, what it refused is stored from the replies that were kept: no call is made, and nothing is
    stored over what came later. What is refused still stays in quarantine, with its new reason.
    """,
    schedule=None,
    catchup=False,
    max_active_runs=1,
    tags=TAGS,
    params={
        "dataset": Param(
            default=None,
            type=["null", "string"],
            enum=[None, *NAMES],
            title="Dataset",
            description="Only what was refused of this dataset.",
        ),
        "reason": Param(
            default=None,
            type=["null", "string"],
            title="Reason",
            description="Only what was refused with this code, such as not_positive.",
        ),
        "dry_run": Param(
            default=False,
            type="boolean",
            title="Dry run",
            description="Say what it would do, and change nothing.",
        ),
    },
    default_args=default_args(settings),
) as dag:
    ReplayRefused(task_id="replay")
