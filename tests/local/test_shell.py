"""What a person's shell says reaches the cluster's processes only where it is meant for the pipeline."""

import os
import subprocess
import sys

import httpx
import pytest
import requests

from common.errors import ConfigurationError
from common.quoting import require_unexpanded
from local.environment import cluster_environment, person_settings
from local.program_environment import environment_of
from local.shell import OUR_HOSTS, leave_the_shell, provider_proxy, scrubbed, unusable_proxy
from local.state import PREFERRED_PORTS, ROOT, State

DEAD = "http://127.0.0.1:9"
#: Each would steer a connection of ours, or Python itself.
GARBAGE = {
    **dict.fromkeys(["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"], DEAD),
    **dict.fromkeys(["FTP_PROXY", "WS_PROXY", "WSS_PROXY"], "no such proxy"),
    "NO_PROXY": "[::1,example.com:port, ,*.internal",
    "PGHOST": "nowhere.invalid",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGUSER": "nobody",
    "PGPASSWORD": "wrong",
    "PGDATABASE": "none",
    "PGOPTIONS": "-c no_such_setting=1",
    "PGSSLMODE": "verify-full",
    "PGSERVICE": "nowhere",
    "PGSERVICEFILE": "/nowhere",
    "PGPASSFILE": "/nowhere",
    "PGSYSCONFDIR": "/nowhere",
    "PGTARGETSESSIONATTRS": "standby",
    "PGCLIENTENCODING": "SQL_ASCII",
    "PGTZ": "nowhere",
    "REDIS_URL": "redis://192.0.2.1",
    "REDIS_HOST": "192.0.2.1",
    "REDIS_PASSWORD": "wrong",
    "REDISCLI_AUTH": "wrong",
    "AIRFLOW_HOME": "/nowhere",
    "AIRFLOW_CONFIG": "/nowhere/airflow.cfg",
    "AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor",
    "AIRFLOW__CORE__SQL_ALCHEMY_CONN": "postgresql://192.0.2.1/x",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD": "false",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": "postgresql+asyncpg://192.0.2.1/x",
    "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://192.0.2.1/execution/",
    "AIRFLOW__SECRETS__BACKEND": "no.such.Backend",
    "AIRFLOW__API__SSL_CERT": "/nowhere",
    "AIRFLOW_CTX_DAG_ID": "x",
    "CELERY_BROKER_URL": "redis://192.0.2.1/0",
    "CELERY_CONFIG_MODULE": "no_such_module",
    "CELERY_LOADER": "no.such.Loader",
    "FLOWER_PORT": "1",
    "FLOWER_ADDRESS": "192.0.2.1",
    "FLOWER_URL_PREFIX": "elsewhere",
    "FLOWER_NO_SUCH_OPTION": "1",
    "FLOWER_BASIC_AUTH": "somebody:else",
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "PYTHONSTARTUP": "/nowhere",
    "PYTHONWARNINGS": "error",
    "PYTHONINSPECT": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONPLATLIBDIR": "nowhere",
    "SUPERVISOR_PASSWORD": "wrong",
    "SANDBOX_PORT": "1",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "UVICORN_PORT": "1",
    "WEB_CONCURRENCY": "50",
    "VIRTUAL_ENV": "/nowhere",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path) -> dict[str, str]:
    """The environment of the cluster's processes, in a shell with all of it."""
    for name, value in GARBAGE.items():
        monkeypatch.setenv(name, value)
    state = State(tmp_path)
    return cluster_environment(state, PREFERRED_PORTS, person_settings(tmp_path / ".env"))


def test_nothing_of_the_shell_is_left(environment: dict[str, str]):
    """No variable that steers a library keeps the person's value; what is there is the cluster's own."""
    kept = {name for name, value in GARBAGE.items() if environment.get(name) == value}
    assert kept == {"HTTPS_PROXY", "https_proxy"}
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    ours = {name for name in environment if name.startswith(("PG", "FLOWER_", "REDIS", "CELERY", "PYTHON"))}
    expected = {"PGPASSFILE", "FLOWER_CONF", "FLOWER_DB", "FLOWER_PERSISTENT", "REDIS_PASSWORD", "PYTHONPATH"}
    assert ours == expected | {"PYTHONUNBUFFERED"}


def test_setting_that_sounds_like_airflows_stays(monkeypatch: pytest.MonkeyPatch, tmp_path):
    """AIRFLOW_PATCHES is ours: it reaches the cluster's processes from a shell as from .env."""
    monkeypatch.setenv("AIRFLOW_PATCHES", "wait_on_process")
    leave_the_shell()
    environment = cluster_environment(State(tmp_path), PREFERRED_PORTS, person_settings(tmp_path / ".env"))
    assert environment["AIRFLOW_PATCHES"] == "wait_on_process"
    monkeypatch.delenv("AIRFLOW_PATCHES")
    (tmp_path / ".env").write_text("AIRFLOW_PATCHES=none\n")
    environment = cluster_environment(State(tmp_path), PREFERRED_PORTS, person_settings(tmp_path / ".env"))
    assert environment["AIRFLOW_PATCHES"] == "none"


def test_dotenv_tunes_and_redirects_nothing(tmp_path):
    """.env may tune Airflow; where it connects and whom it trusts stays the cluster's."""
    (tmp_path / ".env").write_text(
        "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY=7\nAIRFLOW__SECRETS__BACKEND=x.Y\nAIRFLOW__CORE__EXECUTOR=Local\n"
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD=false\nAIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE=3\nPGHOST=x\n"
    )
    environment = cluster_environment(State(tmp_path), PREFERRED_PORTS, person_settings(tmp_path / ".env"))
    assert environment["AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY"] == "7"
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_POOL_SIZE"] == "3"
    assert environment["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"
    assert not {"AIRFLOW__SECRETS__BACKEND", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", "PGHOST"} & set(environment)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/x", "http://localhost/x", "http://[::1]:1/x"])
def test_no_proxy_stands_before_our_servers(monkeypatch: pytest.MonkeyPatch, url: str):
    """httpx and requests go straight to this machine, whatever the shell says, and can be built at all."""
    for name, value in {**GARBAGE, "ALL_PROXY": "socks5://127.0.0.1:9", "all_proxy": ""}.items():
        monkeypatch.setenv(name, value)
    leave_the_shell()
    with httpx.Client() as client:
        assert client._transport_for_url(httpx.URL(url)) is client._transport
    with requests.Session() as session:
        assert not session.merge_environment_settings(url, {}, None, None, None)["proxies"].get("http")


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "proxy:3128", "HTTPS_PROXY": "http://other:1"}, "http://proxy:3128"),
        ({"ALL_PROXY": "http://user:p%40ss@proxy:3128"}, "http://user:p%40ss@proxy:3128"),
        ({"HTTP_PROXY": "http://proxy:3128"}, None),
        ({"ALL_PROXY": "socks5h://proxy:1080"}, None),
        ({"HTTPS_PROXY": "no such proxy"}, None),
        ({"HTTPS_PROXY": "http://[::1"}, None),
        ({"HTTPS_PROXY": "http://proxy:port"}, None),
    ],
)
def test_the_provider_keeps_its_proxy(variables: dict[str, str], proxy: str | None):
    """The proxy for https stays, in both cases; one that no client could use is left out, and named."""
    found = provider_proxy(variables)
    assert found.get("HTTPS_PROXY") == found.get("https_proxy") == proxy
    unusable = not proxy and "HTTP_PROXY" not in variables
    assert bool(unusable_proxy(variables)) is unusable


def test_hosts_without_a_proxy_are_kept():
    """What stands in NO_PROXY stays, but for what is no host; ours come first."""
    entries = "example.com,.corp,10.0.0.0/8,*.internal,::1,host:8080,[::1,a b,http://"
    direct = provider_proxy({"no_proxy": entries})["NO_PROXY"].split(",")
    assert direct == [*OUR_HOSTS, "example.com", ".corp", "10.0.0.0/8", "*.internal", "::1", "host:8080"]
    httpx.Client(trust_env=True).close()


def test_what_concerns_others_is_kept():
    """A path, a locale, certificates of the provider: left as they are."""
    kept = {"PATH": "/bin", "HOME": "/h", "LANG": "C", "REQUESTS_CA_BUNDLE": "/ca", "SSL_CERT_FILE": "/ca", "TZ": "UTC"}
    assert {name: scrubbed(kept).get(name) for name in kept} == kept


def test_make_frees_python_from_the_shell():
    """Python under make starts although PYTHONHOME leads nowhere."""
    code = 'import os; print([name for name in os.environ if name.startswith(\\"PYTHON\\") and name != \\"PYTHON\\"])'
    rule = f'include Makefile\nshow-home:\n\t@"$(PY)" -c "{code}"'
    done = subprocess.run(
        ["make", "-s", "-f", "-", "show-home", f"PY={sys.executable}"],
        input=rule, cwd=ROOT, env=os.environ | GARBAGE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "['PYTHONPATH']", done.stderr


@pytest.mark.parametrize("name", ["my $HOME", "${HOME}x"])
def test_a_folder_that_airflow_would_expand(name: str):
    """There is no way to escape it, so it is said before anything starts."""
    with pytest.raises(ConfigurationError, match=r"\$HOME"):
        require_unexpanded(f"/srv/{name}", {"HOME": "/root"}, "the checkout's folder")
    require_unexpanded("/srv/a$ $b %(x)s", {"HOME": "/root"}, "the checkout's folder")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKER_CONCURRENCY", "abc"),
        ("WORKER_CONCURRENCY", "0"),
        ("PARALLELISM", "-1"),
        ("PARALLELISM", "1e9"),
        ("WORKER_AUTOSCALE", "8"),
        ("WORKER_AUTOSCALE", "2,8"),
        ("WORKER_AUTOSCALE", "8,2,1"),
        ("WORKER_AUTOSCALE", "8,0"),
    ],
)
def test_a_tunable_that_cannot_be_used(tmp_path, name: str, value: str):
    """What Airflow or Celery would die of is said before anything starts."""
    with pytest.raises(ConfigurationError, match=name):
        cluster_environment(State(tmp_path), PREFERRED_PORTS, {name: value})
    assert cluster_environment(State(tmp_path), PREFERRED_PORTS, {"WORKER_AUTOSCALE": "8, 2"})


def test_json_logs_are_airflows_too(tmp_path):
    """LOG_FORMAT=json makes Airflow log JSON, and a format that there is not is refused."""
    environment = cluster_environment(State(tmp_path), PREFERRED_PORTS, {"LOG_FORMAT": "json"})
    assert environment["AIRFLOW__LOGGING__JSON_LOGS"] == "True"
    assert environment_of("sandbox", environment)["LOG_FORMAT"] == "json"
    assert "AIRFLOW__LOGGING__JSON_LOGS" not in cluster_environment(State(tmp_path), PREFERRED_PORTS, {})
    with pytest.raises(ConfigurationError, match="LOG_FORMAT='xml'"):
        cluster_environment(State(tmp_path), PREFERRED_PORTS, {"LOG_FORMAT": "xml"})


def test_few_programs_know_the_addresses(tmp_path):
    """ALERT_URLS, which holds passwords, reaches who sends: workers, and the exporter for Alertmanager."""
    environment = cluster_environment(State(tmp_path), PREFERRED_PORTS, {"ALERT_URLS": "json://localhost"})
    programs = ("worker-1", "exporter", "api-server", "scheduler", "dag-processor", "triggerer", "flower", "sandbox")
    knows = {program for program in programs if "ALERT_URLS" in environment_of(program, environment)}
    assert knows == {"worker-1", "exporter"}
