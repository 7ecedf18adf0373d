"""The secrets step: what is given, kept, made, composed, and who may read it."""

import hashlib
import importlib.util
import stat
import sys
from pathlib import Path
from types import ModuleType

import pytest
from psycopg2.extensions import parse_dsn
from pydantic import SecretStr

from common.quota.quota import key_digest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program, with folders of its own."""
    monkeypatch.syspath_prepend(ROOT / "config" / "container")
    monkeypatch.delitem(sys.modules, "secret_checks", raising=False)
    spec = importlib.util.spec_from_file_location("make_secrets", ROOT / "config" / "container" / "make_secrets.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for folder in ("page", *(secret.folder for secret in module.SECRETS)):
        (tmp_path / "volumes" / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / "files").mkdir()
    return module


def run(step: ModuleType, tmp_path: Path, given: str = "") -> dict[str, str]:
    """Make the secrets with these NAME=value lines; return what every file holds."""
    (tmp_path / "given").write_text(given, encoding="utf-8")
    volumes = tmp_path / "volumes"
    step.make(step.given_values(tmp_path / "given", tmp_path / "files"), volumes)
    return {path.relative_to(volumes).as_posix(): path.read_text("utf-8") for path in volumes.glob("*/*")}


def test_nothing_set_makes_everything_once(step: ModuleType, tmp_path: Path):
    """Each secret is made at random, long enough, and kept by the next start; nobody's key is invented."""
    first = run(step, tmp_path, "POSTGRES_PASSWORD=\nJWT_SECRET=  \n")
    assert first == run(step, tmp_path)
    assert first.pop("market/alpha_vantage_api_key") == first.pop("alerts/alert_urls") == ""
    assert first.pop("airflow/airflow_database_url") == first.pop("redis/celery_broker_url") == ""
    assert first.pop("redis/redis.conf")
    assert first.pop("monitor/alpha_vantage_key_digest") == ""
    assert first.pop("page/alpha_vantage_key_digest") == ""
    assert first.pop("page/market_reader_password") == first["init/market_reader_password"]
    passwords = [value for name, value in first.items() if "://" not in value]
    assert len(set(passwords)) == len(passwords)
    assert min(map(len, passwords)) >= 32
    assert len(first["api/jwt_secret"]) >= 64


def test_given_secret_wins_until_taken_back(step: ModuleType, tmp_path: Path):
    """NAME overrides NAME_FILE and what was kept; a key that is no longer set is gone."""
    run(step, tmp_path)
    (tmp_path / "files" / "redis_password").write_text("from a file\n", encoding="utf-8")
    (tmp_path / "files" / "flower_password").write_text("from a file too\n", encoding="utf-8")
    given = run(step, tmp_path, "REDIS_PASSWORD=p@ss=w/ord\nALPHA_VANTAGE_API_KEY=KEY1\n")
    assert given["redis/redis_password"] == "p@ss=w/ord"
    assert given["redis/broker_url"] == "redis://:p%40ss%3Dw%2Ford@redis:6379/0"
    assert given["flower/flower_password"] == "from a file too"
    assert given["market/alpha_vantage_api_key"] == "KEY1"
    assert given["monitor/alpha_vantage_key_digest"] == key_digest(SecretStr("KEY1"))
    assert given["page/alpha_vantage_key_digest"] == key_digest(SecretStr("KEY1"))
    assert run(step, tmp_path)["market/alpha_vantage_api_key"] == ""


def test_given_addresses_stay(step: ModuleType, tmp_path: Path):
    """A second host's addresses are taken over word for word."""
    files = run(
        step,
        tmp_path,
        "AIRFLOW_DATABASE_URL=postgresql+psycopg2://u:p@h/d?sslmode=require\nCELERY_BROKER_URL=rediss://h/0\n",
    )
    assert files["airflow/sql_alchemy_conn"] == "postgresql+psycopg2://u:p@h/d?sslmode=require"
    assert files["airflow/result_backend"] == "db+postgresql+psycopg2://u:p@h/d?sslmode=require"
    assert files["redis/broker_url"] == "rediss://h/0?ssl_cert_reqs=required"  # Celery would take any certificate


def test_redis_gets_a_hash(step: ModuleType, tmp_path: Path):
    """Redis's settings hold no password, whatever is in it: only a hash, after the shared lines."""
    awkward = "pass word's \"#\\ pä"
    conf = run(step, tmp_path, f"REDIS_PASSWORD={awkward}\n")["redis/redis.conf"]
    assert conf.endswith(f"\nuser default on #{hashlib.sha256(awkward.encode()).hexdigest()} ~* &* +@all\n")
    assert conf.startswith((ROOT / "config" / "container" / "redis.conf").read_text("utf-8"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("REDIS_PASSWORD=a\nsecond line\n", "REDIS_PASSWORD of .env holds a line break"),
        ("REDIS_PASSWORD=a\nREDIS_PASSWORD=b\n", "REDIS_PASSWORD of .env holds a line break"),
        ("POSTGRES_PASSWORD=tab\there\n", "POSTGRES_PASSWORD holds a line break, a tab"),
        ("FLOWER_PASSWORD=pässword\n", "FLOWER_PASSWORD may hold ASCII"),
        ("FERNET_KEY=SECRET\n", "FERNET_KEY is no Fernet key"),
        ("AIRFLOW_DATABASE_URL=mysql://u:SECRET@h/d\n", "AIRFLOW_DATABASE_URL must be postgresql"),
        ("CELERY_BROKER_URL=redis://:SEC/RET@h:6379/0\n", "CELERY_BROKER_URL must be redis"),
        ("CELERY_BROKER_URL=amqp://u:SECRET@h/0\n", "CELERY_BROKER_URL must be redis"),
    ],
)
def test_what_no_program_takes_is_refused(step: ModuleType, tmp_path: Path, given: str, said: str):
    """A value that would break a program later is refused by name, and not shown."""
    with pytest.raises(Exception, match=said) as refusal:
        run(step, tmp_path, given)
    assert "SEC" not in str(refusal.value)
    assert not list((tmp_path / "volumes").glob("*/*"))


def test_files_closed_to_containers_are_named(step: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What a clone's umask closes is named with the remedy; an empty file that stands for "not set" is no secret."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "config" / "symbols").mkdir(parents=True)
    (tmp_path / "dags" / "a.py").touch()
    authorities = tmp_path / "none.pem"
    step.check_mounted(authorities, tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: path.name != "a.py")
    with pytest.raises(step.SecretUnusable, match=r"dags/a.py cannot be read .*chmod -R a\+rX dags config/symbols"):
        step.check_mounted(authorities, tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: True)
    authorities.write_text("no certificate", encoding="utf-8")
    with pytest.raises(step.SecretUnusable, match="TLS_CA_FILE holds no certificate"):
        step.check_mounted(authorities, tmp_path)


def test_only_group_reads_and_nobody_writes(step: ModuleType, tmp_path: Path):
    """Every file is 0440, and no half-written one is left."""
    run(step, tmp_path)
    files = list((tmp_path / "volumes").glob("*/*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o440}
    assert not [path for path in files if path.suffix == ".new"]


def test_second_host_gets_what_workers_need(step: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """`join` prints addresses and shared secrets, and nothing that makes databases, users or tokens."""
    files = run(step, tmp_path)
    capsys.readouterr()
    step.join("10.0.0.1", step.resolve({}, tmp_path / "volumes"))
    printed = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert printed["EXECUTION_API_URL"] == "http://10.0.0.1:8080/execution/"
    assert printed["MARKET_DB_PASSWORD"] == files["market/market_db_password"]
    assert f":{files['init/airflow_db_password']}@10.0.0.1:5432/airflow" in printed["AIRFLOW_DATABASE_URL"]
    hidden = (
        "postgres/postgres_password",
        "init/market_owner_password",
        "api/jwt_secret",
        "init/airflow_admin_password",
    )
    assert not [name for name in hidden if files[name] in printed.values()]


def test_join_writes_what_dotenv_reads(step: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A password of any characters stands in a second host's .env as Compose reads it back."""
    awkward = "pass 'word' \"#\\ $HOME ${X} `id` ä%:@/\\"
    run(step, tmp_path, f"REDIS_PASSWORD={awkward}\n")
    capsys.readouterr()
    step.join("10.0.0.1", step.resolve({}, tmp_path / "volumes"))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("REDIS_PASSWORD=")]
    assert line == 'REDIS_PASSWORD="pass \'word\' \\"#\\\\ \\$HOME \\${X} `id` ä%:@/\\\\"'


@pytest.mark.parametrize(("key", "database"), [("", "market_sandbox"), ("DEMOKEY", "market")])
def test_the_readers_address_opens(step: ModuleType, tmp_path: Path, capsys, key: str, database: str):
    """It names the reading role, a password of any characters, the server as given, and the database in use."""
    awkward = "pass 'word' \"#\\ $HOME %d ä%:@/\\"
    given = {"MARKET_READER_PASSWORD": awkward, "ALPHA_VANTAGE_API_KEY": key}
    step.reader_address("127.0.0.1:5433", step.resolve(given, tmp_path / "volumes"))
    assert parse_dsn(capsys.readouterr().out.strip()) == {
        "user": "market_reader",
        "password": awkward,
        "host": "127.0.0.1",
        "port": "5433",
        "dbname": database,
    }


def test_binary_file_is_refused(step: ModuleType, tmp_path: Path):
    """An unreadable secret ends the step with its variable and the remedy."""
    (tmp_path / "files" / "redis_password").write_bytes(b"\xff\xfe")
    with pytest.raises(step.SecretUnusable, match="REDIS_PASSWORD_FILE cannot be read"):
        run(step, tmp_path)
