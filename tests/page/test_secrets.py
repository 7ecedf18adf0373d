"""The page's secrets: what it may do with them, and where they must not be seen."""

import logging

import pytest
from pydantic import SecretStr

from common.errors import ConfigurationError, StoreNotReady, StoreUnavailable
from common.quota.quota import key_digest
from common.settings import PageSettings
from plugins.market.page import Page
from plugins.market.reader import Reader
from tests.support.market import Market


def test_it_can_write_nothing(page: Page, market: Market):
    """Its sessions are read-only, whatever the role may do."""
    assert page.reader._connections.run(lambda cursor: _setting(cursor, "transaction_read_only")) == "on"
    assert page.reader._connections.run(lambda cursor: _setting(cursor, "statement_timeout")) == "5s"
    owner = PageSettings.from_environment({"MARKET_DATABASE_URL": market.owner.get_secret_value()})
    reader = Reader(owner.market_dsn)
    with pytest.raises((StoreNotReady, StoreUnavailable), match="read-only"):
        reader._connections.run(lambda cursor: cursor.execute("DELETE FROM stock_quotes"))
    reader.close()


def _setting(cursor, name: str) -> str:
    cursor.execute(f"SHOW {name}")
    return cursor.fetchone()[0]


def test_it_reads_as_the_reader(page: Page):
    """The workers' user and password in the address are not used where the reader's password is there."""
    assert page.reader._connections.run(_user) == "market_reader"


def _user(cursor) -> str:
    cursor.execute("SELECT current_user")
    return cursor.fetchone()[0]


def test_no_secret_is_shown(page: Page, page_settings: PageSettings, market: Market, caplog):
    """Neither settings nor collaborators, nor a failure's message or log, show a password."""
    shown = [repr(page_settings), repr(page), str(page_settings.market_dsn)]
    wrong = Reader(SecretStr(market.reader.get_secret_value().replace(market.password, "wr0ng-secret")))
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreUnavailable) as refused:
        wrong.version(("daily_bars",))
    shown += [str(refused.value), caplog.text]
    assert [text for text in shown if market.password in text or "wr0ng-secret" in text] == []


def test_a_digest_stands_for_the_key():
    """With it the prices are real and the quota is that key's; without one the sandbox made them."""
    assert PageSettings.from_environment({}).uses_sandbox
    assert PageSettings.from_environment({}).key_digest == key_digest(SecretStr("sandbox"))
    real = PageSettings.from_environment({"ALPHA_VANTAGE_KEY_DIGEST": "0123456789ab"})
    assert (real.uses_sandbox, real.market_database, real.key_digest) == (False, "market", "0123456789ab")
    with pytest.raises(ConfigurationError, match="ALPHA_VANTAGE_KEY_DIGEST"):
        PageSettings.from_environment({"ALPHA_VANTAGE_KEY_DIGEST": "THEKEYITSELF"})
