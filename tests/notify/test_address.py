"""ALERT_URLS: what is taken, what is refused, and what of an address is ever shown."""

import logging
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from common.errors import ConfigurationError
from common.notify import read_addresses
from common.notify.address import masked
from common.settings import NotificationSettings

ROOT = Path(__file__).resolve().parents[2]
MAIL = "mailtos://user:mail-password@smtp.example.com?to=a@example.com,b@example.com"
SLACK = "slack://T0AAAAAAA/B0BBBBBBB/cccccccccccccccccccccccc"
HOOK = "jsons://hooks.example.com/path-token?+Authorization=header-token"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (MAIL, "mailtos://smtp.example.com"),
        (HOOK, "jsons://hooks.example.com"),
        (SLACK, "slack://***"),
        ("ntfy://my-secret-topic", "ntfy://***"),
        ("tgram://123456789:token/42", "tgram://***"),
        ("no address at all", "***"),
        ("mailto://user:pass/word@host:99999999/x", "mailto://***"),
    ],
)
def test_scheme_and_host_are_shown(url: str, shown: str):
    """Of an address only scheme and host are shown, and no host that could be a token."""
    assert masked(url) == shown


def test_list_is_split_between_addresses():
    """Commas and blanks separate addresses; each recipient of mail is one of its own, and an address counts once."""
    addresses = read_addresses(SecretStr(f"{MAIL}, {SLACK}\n{HOOK} {MAIL}"))
    mails = [MAIL.replace(",b@example.com", ""), MAIL.replace("a@example.com,", "")]
    assert [address.url.get_secret_value() for address in addresses] == [*mails, SLACK, HOOK]


def test_addresses_show_no_secret():
    """Neither the text nor the repr of an address has a piece of its user, password, path or options."""
    for address in read_addresses(SecretStr(f"{MAIL} {SLACK} {HOOK}")):
        assert len(address.secrets()) >= 2
        assert [secret for secret in address.secrets() if secret in f"{address} {address!r}"] == []


def test_similar_addresses_are_told_apart():
    """Two addresses of one service have the same mask and different names."""
    one, other = read_addresses(SecretStr(f"{SLACK} {SLACK[:-1]}d"))
    assert str(one)[:11] == str(other)[:11] == "slack://***"
    assert str(one) != str(other)


@pytest.mark.parametrize("url", ["slack://only-one-token", "foo://user:hunter2hunter@host", "hunter2hunter"])
def test_wrong_address_is_one_sentence(url: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]):
    """An address that cannot be used is refused by its number and mask; nothing of it reaches a log or a stream."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigurationError, match=r"address 2 of 2: docs/notifications\.md") as caught:
        read_addresses(SecretStr(f"{HOOK} {url}"))
    seen = f"{caught.value} {caplog.text} {capfd.readouterr()}"
    assert [secret for secret in ("hunter2", "only-one-token", "path-token", "header-token") if secret in seen] == []
    assert caught.value.variable == "ALERT_URLS"


def test_setting_can_be_a_file(tmp_path):
    """ALERT_URLS_FILE names a file with the addresses; nothing set means none."""
    file = tmp_path / "alert_urls"
    file.write_text(f"{MAIL}\n{HOOK}\n", encoding="utf-8")
    settings = NotificationSettings.from_environment({"ALERT_URLS_FILE": str(file)})
    assert len(settings.addresses()) == 3
    assert NotificationSettings.from_environment({}).addresses() == ()
    assert "password" not in repr(settings)


def test_documented_addresses_can_be_used():
    """Apprise takes each address that the document shows."""
    table = (ROOT / "docs" / "notifications.md").read_text("utf-8").partition("What stands for")[0]
    shown = re.findall(r"`(\w+://[^`]+)`", table)
    assert len(shown) >= 8
    assert len(read_addresses(SecretStr(" ".join(shown)))) == len(shown)


def test_equal_names_are_refused():
    """Two addresses of one service whose digests happen to be the same are refused, with what to change."""
    seen: dict[str, str] = {}
    for number in range(10_000):
        url = f"{SLACK[:-5]}{number:05}"
        (address,) = read_addresses(SecretStr(url))
        if str(address) in seen:
            break
        seen[str(address)] = url
    twins = f"{seen[str(address)]} {url}"
    with pytest.raises(ConfigurationError, match="2 addresses have the same name") as caught:
        read_addresses(SecretStr(twins))
    assert SLACK[:20] not in str(caught.value)
    assert len(read_addresses(SecretStr(f"{twins}?name=second"))) == 2
