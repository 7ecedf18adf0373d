"""Settings: the environment, files, defaults, and errors that name the variable and hide the secret."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigurationError
from common.settings import ALPHA_VANTAGE_URL, DagSettings, Settings
from common.values import PLANS, Quota

SECRET = "MARKEDSECRET99"


def settings(**environment: str) -> Settings:
    return Settings.from_environment(environment)


def test_without_a_key_the_sandbox_serves_into_a_database_of_its_own():
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
def test_an_empty_variable_counts_as_not_set(value: str):
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
        ("ON_DAILY_QUOTA", "panic"),
        ("MARKET_DATABASE_URL", "mysql://db"),
        ("LIMITER_REDIS_URL", "http://redis"),
    ],
)
def test_a_value_that_cannot_be_used_is_named(variable: str, value: str):
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


def test_a_comment_in_a_file_is_no_symbol(tmp_path: Path):
    """A comment begins where a word does: the ``#`` at a ticker's end is its own."""
    path = tmp_path / "universe"
    path.write_text("AAC#  # when issued\n#IBM\nM&M.BSE\nA B;\n")
    assert settings(STOCK_SYMBOLS=f"@{path}").stock_symbols == ("AAC#", "M&M.BSE", "A", "B;")


@pytest.mark.parametrize("line", ["API_KEY=SECRET", "  export REDIS_PASSWORD = SECRET", "A_B=SECRET"])
def test_a_file_of_settings_is_no_list(tmp_path: Path, line: str):
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


@given(st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), st.text(max_size=40), max_size=4))
def test_any_environment_is_read_or_refused(values: dict[str, str]):
    """Whatever the environment says gives settings or the one error, never another exception."""
    for read in (Settings.from_environment, DagSettings.from_environment):
        with suppress(ConfigurationError):
            assert read({name.upper(): text for name, text in values.items()})


def test_auto_is_no_number_of_symbols():
    """``auto`` and nothing at all leave the number of symbols a task to the plan; a number is one."""
    assert settings().symbols_per_task is settings(SYMBOLS_PER_TASK="Auto").symbols_per_task is None
    assert settings(SYMBOLS_PER_TASK="40").symbols_per_task == 40


@pytest.mark.parametrize(
    ("variables", "tasks"),
    [
        ({}, 4),
        ({"ALPHA_VANTAGE_PLAN": "premium75"}, 5),
        ({"ALPHA_VANTAGE_PLAN": "premium1200"}, 32),
        ({"ALPHA_VANTAGE_QUOTA": "25/day"}, 4),
        ({"ALPHA_VANTAGE_PLAN": "premium75", "MAX_ACTIVE_FETCHES": "50"}, 50),
    ],
)
def test_no_more_tasks_are_started_than_the_quota_can_feed(variables: dict[str, str], tasks: int):
    """A slow quota keeps few tasks under way; a number of one's own wins."""
    assert DagSettings.from_environment(variables).fetches_at_once == tasks
