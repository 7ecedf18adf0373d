"""Settings: the environment, files, defaults, and errors that name the variable and hide the secret."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import parse_dsn
from redis.connection import parse_url

from common.errors import ConfigurationError
from common.quota.quota import PLANS, Quota
from common.settings import ALPHA_VANTAGE_URL, DagSettings, PipelineSettings
from common.universe.listing_filter import ListingFilter

SECRET = "MARKEDSECRET99"


def settings(**environment: str) -> PipelineSettings:
    return PipelineSettings.from_environment(environment)


def test_sandbox_serves_its_own_database():
    """Invented prices never mix with real ones."""
    plain = settings()
    assert plain.uses_sandbox
    assert plain.base_url == plain.sandbox_url
    assert plain.market_dsn.get_secret_value().endswith("/market_sandbox")


def test_with_a_key_alpha_vantage_serves():
    """With a key the real address, the real database and the key are used."""
    real = settings(ALPHA_VANTAGE_API_KEY=SECRET)
    assert (real.uses_sandbox, real.base_url, real.market_database) == (False, ALPHA_VANTAGE_URL, "market")
    assert real.api_key.get_secret_value() == SECRET


def test_passwords_are_put_into_the_urls():
    """The password goes into the URL quoted, unless one stands there; a name in the URL is kept."""
    filled = settings(
        MARKET_DATABASE_URL="postgresql://app@db:5432",
        MARKET_DB_PASSWORD="p/w@1",
        LIMITER_REDIS_URL="rediss://cache:6380/3",
        REDIS_PASSWORD="r:s",
    )
    assert filled.market_dsn.get_secret_value() == "postgresql://app:p%2Fw%401@db:5432/market_sandbox"
    assert filled.redis_dsn.get_secret_value() == "rediss://:r%3As@cache:6380/3"
    own = settings(MARKET_DATABASE_URL="postgresql://app:own@db/mine", MARKET_DB_PASSWORD="other")
    assert own.market_dsn.get_secret_value() == "postgresql://app:own@db/mine"


def test_a_secret_comes_from_a_file(tmp_path: Path):
    """NAME_FILE names the file; the variable itself wins over it; the trailing newline is no part of it."""
    path = tmp_path / "key"
    path.write_text(f"{SECRET}\n")
    assert settings(ALPHA_VANTAGE_API_KEY_FILE=str(path)).api_key.get_secret_value() == SECRET
    both = settings(ALPHA_VANTAGE_API_KEY_FILE=str(path), ALPHA_VANTAGE_API_KEY="direct")
    assert both.api_key.get_secret_value() == "direct"


def test_a_missing_secret_file_is_named(tmp_path: Path):
    """A file that is not there is an error that names variable and path."""
    with pytest.raises(ConfigurationError, match=r"ALPHA_VANTAGE_API_KEY_FILE=.*nowhere"):
        settings(ALPHA_VANTAGE_API_KEY_FILE=str(tmp_path / "nowhere"))


def test_a_binary_secret_file_is_refused(tmp_path: Path):
    """A file that is no text is refused without its content."""
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not text"):
        settings(ALPHA_VANTAGE_API_KEY_FILE=str(tmp_path / "key"))


@pytest.mark.parametrize("value", ["", "  "])
def test_empty_variable_counts_as_not_set(value: str):
    """An untouched line of .env changes nothing."""
    assert settings(API_TIMEOUT=value, STOCK_SYMBOLS=value, ALPHA_VANTAGE_PLAN=value) == settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("API_TIMEOUT", "soon"),
        ("API_TIMEOUT", "0"),
        ("API_TIMEOUT", "nan"),
        ("API_TIMEOUT", "inf"),
        ("API_ATTEMPTS", "0"),
        ("API_ATTEMPTS", "2.5"),
        ("STOCK_SYMBOLS", "A;B,C;D"),
        ("STOCK_SYMBOLS", ","),
        ("STOCK_SYMBOLS", "@/no/such/file"),
        ("STOCK_SYMBOLS", "listing:"),
        ("STOCK_SYMBOLS", "IBM,listing:NYSE"),
        ("STOCK_SYMBOLS", "listing:NYSE;type=ETF"),
        ("ALPHA_VANTAGE_PLAN", "gold"),
        ("ALPHA_VANTAGE_QUOTA", "many"),
        ("ALPHA_VANTAGE_BASE_URL", "http://example.org"),
        ("ALPHA_VANTAGE_BASE_URL", "ftp://example.org"),
        ("ALPHA_VANTAGE_BASE_URL", "https://"),
        ("ALPHA_VANTAGE_BASE_URL", "https://example.org:port"),
        ("ALPHA_VANTAGE_BASE_URL", "https://example.org/?a=b"),
        ("ALPHA_VANTAGE_BASE_URL", "http://127.0.0.1.example.org"),
        ("MAX_FAILURE_RATIO", "1.5"),
        ("MAX_MAPPED_TASKS", "0"),
        ("SYMBOLS_PER_TASK", "0"),
        ("SYMBOLS_PER_TASK", "many"),
        ("BATCH_CONCURRENCY", "65"),
        ("DATA_RETENTION_DAYS", "-1"),
        ("RAW_RETENTION_DAYS", "-1"),
        ("ON_DAILY_QUOTA", "panic"),
        ("API_TIMEOUT", "1e-9"),
        ("API_TIMEOUT", "1e400"),
        ("API_ATTEMPTS", "9" * 5000),
        ("MARKET_DB_TIMEOUT", "1e-300"),
        ("MAX_FAILURE_RATIO", "nan"),
        ("MAX_FAILURE_RATIO", "-0.1"),
        ("SESSION_GRACE", "-inf"),
        ("ALPHA_VANTAGE_API_KEY", "two words"),
        ("ALPHA_VANTAGE_API_KEY", "k\x1b[31m"),
        ("ALPHA_VANTAGE_API_KEY", "Schlüssel"),
        ("ALPHA_VANTAGE_API_KEY", "k" * 201),
        ("ALPHA_VANTAGE_API_KEY_FILE", "/dev/zero"),
        ("ALPHA_VANTAGE_API_KEY_FILE", "a\0b"),
        ("WORKER_NAME", "a\x1bb"),
        ("WORKER_NAME", "w" * 201),
        ("SANDBOX_URL", "nowhere"),
        ("SANDBOX_URL", "http://"),
        ("SANDBOX_URL", "http://h:port"),
        ("ALPHA_VANTAGE_BASE_URL", "https://exa\nmple.org"),
        ("ALPHA_VANTAGE_BASE_URL", "https://exa mple.org"),
        *(("ALPHA_VANTAGE_BASE_URL", f"https://{host}") for host in ("..", "a..b", "*", "a%b", "\u2100", "a" * 64)),
        *(("ALPHA_VANTAGE_BASE_URL", f"https://{rest}") for rest in ("h:0", "h?", "h#", "@h", "h\\x", "u@h")),
        ("STOCK_SYMBOLS", "@a\0b"),
        ("ALPHA_VANTAGE_QUOTA", "999999999999/day"),
        ("ALPHA_VANTAGE_QUOTA", "100001/day"),
        ("ALPHA_VANTAGE_QUOTA", "1/32day"),
        ("ALPHA_VANTAGE_QUOTA", "1/999999999hour"),
        ("ALPHA_VANTAGE_QUOTA", "1/1s,2/2s,3/3s,4/4s,5/5s,6/6s,7/7s"),
        ("MARKET_DATABASE_URL", "mysql://db"),
        ("MARKET_DATABASE_URL", "host=db"),
        ("MARKET_DATABASE_URL", "postgresql://u@h/d?no_such_option=1"),
        ("MARKET_DATABASE_URL", "postgresql://u@h/d?sslmode=perhaps"),
        ("MARKET_DATABASE_URL", "postgresql://u@h:99999/d"),
        ("MARKET_DATABASE_URL", "postgresql://u@h:port/d"),
        ("MARKET_DATABASE_URL", "postgresql://u@h/d?connect_timeout=soon"),
        ("MARKET_DATABASE_URL", "postgresql://u:50%@h/d"),
        ("MARKET_DATABASE_URL", "postgresql://u@h/d\0"),
        ("LIMITER_REDIS_URL", "http://redis"),
        ("LIMITER_REDIS_URL", "redis://127.0.0.1:6379/1?ssl_cert_reqs=none"),
        ("LIMITER_REDIS_URL", "redis://127.0.0.1:6379/notanumber"),
        ("LIMITER_REDIS_URL", "redis://h/-1"),
        ("LIMITER_REDIS_URL", "redis://h?db=x"),
        ("LIMITER_REDIS_URL", "redis://h:99999/0"),
        ("LIMITER_REDIS_URL", "redis://h/0?no_such_option=1"),
        ("LIMITER_REDIS_URL", "redis://h/0?socket_timeout=nan"),
        ("LIMITER_REDIS_URL", "redis://h/0?protocol=9"),
        ("LIMITER_REDIS_URL", "rediss://h/0?ssl_cert_reqs=perhaps"),
        ("LIMITER_REDIS_URL", "redis://h/0?client_name=two%20words"),
        ("LIMITER_REDIS_URL", "unix://run/redis.sock"),
        ("LIMITER_REDIS_URL", "unix:/run/redis.sock"),
    ],
)
def test_unusable_value_is_named(variable: str, value: str):
    """The error names the variable, so that it can be found and mended."""
    with pytest.raises(ConfigurationError) as raised:
        settings(**{variable: value})
    assert variable in f"{raised.value} {raised.value.variable}"


def test_the_key_is_in_no_text():
    """Neither a repr nor an error holds a secret, those inside URLs included."""
    full = settings(
        ALPHA_VANTAGE_API_KEY=SECRET,
        MARKET_DATABASE_URL=f"postgresql://app:{SECRET}@db/x",
        LIMITER_REDIS_URL=f"redis://:{SECRET}@cache",
        REDIS_PASSWORD=SECRET,
    )
    assert SECRET not in repr(full) + str(full)
    assert set(full.secrets()) == {SECRET}
    with pytest.raises(ConfigurationError) as raised:
        settings(ALPHA_VANTAGE_BASE_URL=f"https://user:{SECRET}@example.org")
    assert SECRET not in str(raised.value)


def test_symbols_come_from_a_file(tmp_path: Path):
    """@FILE holds one symbol a line; comments and blank lines are passed over."""
    path = tmp_path / "universe"
    path.write_text("IBM\n# a comment\n\nbrk-b  # class B\n")
    assert settings(STOCK_SYMBOLS=f"@{path}").stock_symbols == ("IBM", "BRK-B")


def test_comment_in_file_is_no_symbol(tmp_path: Path):
    """A comment begins where a word does: the ``#`` at a ticker's end is its own."""
    path = tmp_path / "universe"
    path.write_text("AAC#  # when issued\n#IBM\nM&M.BSE\nA B;\n")
    assert settings(STOCK_SYMBOLS=f"@{path}").stock_symbols == ("AAC#", "M&M.BSE", "A", "line 4 of universe")


def test_symbols_may_be_chosen_from_list():
    """listing:… is kept as what it chooses: which companies that are, no setting can know."""
    assert settings(STOCK_SYMBOLS="Listing:NYSE ARCA:type=ETF").stock_symbols == ListingFilter(("NYSE_ARCA",), ("ETF",))


@pytest.mark.parametrize("line", ["API_KEY=SECRET", "  export REDIS_PASSWORD = SECRET", "A_B=SECRET"])
def test_file_of_settings_is_no_list(tmp_path: Path, line: str):
    """A file of settings is refused as a list of symbols, and no word of it is shown."""
    path = tmp_path / ".env"
    path.write_text(f"IBM\n{line}\n")
    with pytest.raises(ConfigurationError, match="line 2 is a setting") as raised:
        settings(STOCK_SYMBOLS=f"@{path}")
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize("plan", PLANS)
def test_each_plan_is_one_setting(plan: str):
    """The plan's name gives its quota; windows spelled out win over it."""
    assert settings(ALPHA_VANTAGE_PLAN=plan).quota == PLANS[plan]
    assert settings(ALPHA_VANTAGE_PLAN=plan, ALPHA_VANTAGE_QUOTA="7/min").quota == Quota.parse("7/min")


def test_loopback_may_be_plain_http():
    """A stand-in on this machine needs no certificate."""
    assert settings(ALPHA_VANTAGE_BASE_URL="http://127.0.0.1:9/").base_url == "http://127.0.0.1:9"


@given(st.dictionaries(st.sampled_from(sorted(PipelineSettings.model_fields)), st.text(max_size=40), max_size=4))
def test_any_environment_is_read_or_refused(values: dict[str, str]):
    """Whatever the environment says gives settings or the one error, never another exception."""
    for read in (PipelineSettings.from_environment, DagSettings.from_environment):
        with suppress(ConfigurationError):
            assert read({name.upper(): text for name, text in values.items()})


@pytest.mark.parametrize(
    ("plan", "bulk", "asks"),
    [
        ("free", "auto", False),
        ("premium75", "auto", True),
        ("free", "on", True),
        ("premium1200", "off", False),
    ],
)
def test_premium_plans_ask_in_bulk(plan: str, bulk: str, *, asks: bool):
    """By itself a free plan spends no call on what it may not do; a person's word counts."""
    assert settings(ALPHA_VANTAGE_PLAN=plan, BULK_QUOTES=bulk).asks_in_bulk is asks


def test_auto_is_no_number_of_symbols():
    """``auto`` and nothing at all leave the number of symbols a task to the plan; a number is one."""
    assert settings().symbols_per_task is settings(SYMBOLS_PER_TASK="Auto").symbols_per_task is None
    assert settings(SYMBOLS_PER_TASK="40").symbols_per_task == 40


@pytest.mark.parametrize(
    ("url", "filled"),
    [
        ("postgresql://app@db:5432", "postgresql://app:p%3Aw%2F%40@db:5432/market_sandbox"),
        ("postgresql:///mine", "postgresql://:p%3Aw%2F%40@/mine"),
        ("postgresql://", "postgresql://:p%3Aw%2F%40@/market_sandbox"),
        ("postgres://u@[::1]:5/x", "postgresql://u:p%3Aw%2F%40@/x?host=%3A%3A1&port=5"),
        ("postgresql://u@h1:1,h2:2/d?target_session_attrs=any", "postgresql://u:p%3Aw%2F%40@h1:1,h2:2/d?target_session_attrs=any"),
        ("postgresql://u@/d?host=/run/pg&port=5433", "postgresql://u:p%3Aw%2F%40@/d?host=%2Frun%2Fpg&port=5433"),
        ("postgresql:///d?hostaddr=::1,::2&port=1,2", "postgresql://:p%3Aw%2F%40@/d?hostaddr=%3A%3A1%2C%3A%3A2&port=1%2C2"),
        ("postgresql://u:own@h/d?sslmode=require", "postgresql://u:own@h/d?sslmode=require"),
    ],
)  # fmt: skip
def test_a_database_url_keeps_its_form(url: str, filled: str):
    """Whatever form libpq knows; it reads all parts of the filled one as they were."""
    full = settings(MARKET_DATABASE_URL=url, MARKET_DB_PASSWORD="p:w/@").market_dsn.get_secret_value()
    assert full == filled
    assert parse_dsn(full) == {"password": "p:w/@", "dbname": "market_sandbox"} | parse_dsn(url)


@pytest.mark.parametrize(
    ("url", "filled"),
    [
        ("unix:///run/redis.sock", "unix://:p%3A%40@/run/redis.sock"),
        ("unix:///run/redis.sock?db=3", "unix://:p%3A%40@/run/redis.sock?db=3"),
        ("redis://", "redis://:p%3A%40@"),
        ("redis:///1", "redis://:p%3A%40@/1"),
        ("redis://:6379/1", "redis://:p%3A%40@:6379/1"),
        ("redis://user@[::1]:6379/1", "redis://user:p%3A%40@[::1]:6379/1"),
        ("redis://user:@h/1", "redis://user:p%3A%40@h/1"),
        ("rediss://h/1?ssl_cert_reqs=none", "rediss://:p%3A%40@h/1?ssl_cert_reqs=none"),
        ("redis://h?password=own", "redis://h?password=own"),
    ],
)
def test_a_redis_url_keeps_its_form(url: str, filled: str):
    """Whatever form redis-py knows; without a password it stays as it is."""
    assert settings(LIMITER_REDIS_URL=url, REDIS_PASSWORD="p:@").redis_dsn.get_secret_value() == filled
    assert settings(LIMITER_REDIS_URL=url).redis_dsn.get_secret_value() == url
    assert parse_url(filled) == {"password": "p:@"} | parse_url(url)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{SECRET}@h/d?sslmode=perhaps",
        f"postgresql://u:%zz{SECRET}@h/d",
        f"postgresql://u@h/d?password={SECRET}&x=1",
    ],
)
def test_a_refused_url_is_not_shown(url: str):
    """libpq's and redis-py's own words may quote a password, so they are left out."""
    with pytest.raises(ConfigurationError) as raised:
        settings(MARKET_DATABASE_URL=url)
    assert SECRET not in str(raised.value)
    with pytest.raises(ConfigurationError) as raised:
        settings(LIMITER_REDIS_URL=url.replace("postgresql", "redis") + f"&{SECRET}=1#{SECRET}")
    assert SECRET not in str(raised.value)


def test_password_among_options_is_secret():
    """It is redacted wherever it stands."""
    full = settings(
        MARKET_DATABASE_URL=f"postgresql://h/d?password={SECRET}", LIMITER_REDIS_URL="redis://h?password=OTHER"
    )
    assert set(full.secrets()) == {SECRET, "OTHER"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STOCK_SCHEDULE", "a b c d e"),
        ("STOCK_SCHEDULE", "61 0 * * *"),
        ("STOCK_SCHEDULE", "0 0 31 2 *"),
        ("STOCK_SCHEDULE", "999999d"),
        ("STOCK_TIMEZONE", "America"),
        ("STOCK_TIMEZONE", "../../etc/passwd"),
        ("STOCK_TIMEZONE", "x" * 5000),
        ("TASK_RETRIES", "abc"),
        ("TASK_TIMEOUT", "1e-9"),
        ("TASK_TIMEOUT", "nan"),
        ("FETCH_QUEUE", "two words"),
        ("ALPHA_VANTAGE_QUOTA", "100001/s"),
    ],
)
def test_impossible_dag_is_refused(name: str, value: str):
    """What the DAG declares is checked before anything starts."""
    with pytest.raises(ConfigurationError) as raised:
        DagSettings.from_environment({name: value})
    assert name in f"{raised.value} {raised.value.variable}"


@pytest.mark.parametrize("schedule", ["0 0 * * *", "*/15 9-16 * * mon-fri", "0 0 29 2 *", "@daily", "none", "6h"])
def test_a_schedule_that_can_be_used(schedule: str):
    """Cron lines, presets, intervals, and none."""
    assert DagSettings.from_environment({"STOCK_SCHEDULE": schedule})


def test_a_secret_in_a_pipe(tmp_path: Path):
    """A pipe, which only the first process could read, is refused, whether anybody writes into it or not."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="is a pipe"):
        settings(REDIS_PASSWORD_FILE=str(tmp_path / "pipe"))


def test_a_secret_of_a_windows_editor(tmp_path: Path):
    """A byte order mark and the line's end are no part of a secret."""
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbfp:w\r\n")
    assert settings(REDIS_PASSWORD_FILE=str(tmp_path / "secret")).redis_password.get_secret_value() == "p:w"


@pytest.mark.parametrize("line", ["R 0 * * *", "0 R(0-5) * * *", "r r * * *"])
def test_a_schedule_by_chance_is_refused(line: str):
    """Each process would draw another time."""
    with pytest.raises(ConfigurationError, match="STOCK_SCHEDULE"):
        DagSettings.from_environment({"STOCK_SCHEDULE": line})
