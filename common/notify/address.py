"""The addresses of ``ALERT_URLS``: what may be shown of each, and what of it is secret.

Of a URL only the scheme is shown, and the host where the scheme has one: in ``slack://TOKEN/…`` the token stands there.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote_plus, urlsplit

from pydantic import SecretStr

from common.errors import ConfigurationError
from common.redaction import MIN_SECRET_LENGTH, Redactor

#: Schemes whose URL names the server to connect to. Of all others Apprise knows the server.
_SERVERS: Final = frozenset(
    f"{scheme}{tls}"
    for scheme in ("mailto", "json", "xml", "form", "ntfy", "gotify", "mmost", "rocket", "matrix", "http")
    for tls in ("", "s")
)
_SCHEME: Final = re.compile(r"([a-z][a-z0-9]{1,19}):", re.IGNORECASE | re.ASCII)
#: A host that can be no token: a name with dots, an address, or this machine.
_HOST: Final = re.compile(r"localhost|([a-z0-9-]+\.)+[a-z0-9-]+|\[[0-9a-f:]+\]", re.IGNORECASE | re.ASCII)
#: Blanks, and a comma before the next scheme: within an address, as in ``?to=a@example.com,b@example.com``, it is none.
_SEPARATOR: Final = re.compile(r"\s+|,(?=[a-z][a-z0-9]*:)", re.IGNORECASE | re.ASCII)
_RECIPIENTS: Final = re.compile(
    r"(?P<before>mailtos?://[^?]*\?(?:[^&]*&)*?to=)(?P<to>[^&]+)(?P<after>.*)", re.IGNORECASE
)
_PIECE: Final = re.compile(r"[/?#&=:@,\s]+")
#: Digits of the digest that tells two addresses apart: too few to try out what a secret may be.
_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class AlertAddress:
    """One address. ``url`` is all of it, and secret; its text is what may be shown, such as
    ``mailto://smtp.example.com (3f9a)``.
    """

    url: SecretStr = field(repr=False)

    def __str__(self) -> str:
        digest = hashlib.sha256(self.url.get_secret_value().encode()).hexdigest()[:_DIGITS]
        return f"{masked(self.url.get_secret_value())} ({digest})"

    def secrets(self) -> frozenset[str]:
        """Return each piece of the URL that is shown nowhere: user, password, path, and values of its options."""
        text = self.url.get_secret_value()
        shown = set(_PIECE.split(masked(text)))
        pieces = {piece for whole in (text, unquote_plus(text)) for piece in _PIECE.split(whole)}
        return frozenset(
            piece for piece in pieces - shown if len(piece) >= MIN_SECRET_LENGTH and piece not in masked(text)
        )

    def redactor(self) -> Redactor:
        """Return what takes the secret pieces out of a text."""
        return Redactor(self.secrets())


def masked(url: str) -> str:
    """Return what of a URL may be shown: its scheme, and the host if it is one that people know."""
    scheme = _SCHEME.match(url)
    if not scheme:
        return "***"
    try:
        host = urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    name = re.sub(r":[0-9]*$", "", host)
    known = scheme[1].lower() in _SERVERS and _HOST.fullmatch(name)
    return f"{scheme[1].lower()}://{name if known else '***'}"


def read_addresses(urls: SecretStr) -> tuple[AlertAddress, ...]:
    """Return the addresses of a list that commas or blanks separate, each once.

    Raises ConfigurationError for one that Apprise cannot use, and for two whose names are the same, with no more of
    them than may be shown.
    """
    texts = [text.strip(",") for text in _SEPARATOR.split(urls.get_secret_value())]
    addresses = tuple(dict.fromkeys(_checked([one for text in texts if text for one in _of_each_recipient(text)])))
    _refuse_equal_names(addresses)
    return addresses


def _refuse_equal_names(addresses: Sequence[AlertAddress]) -> None:
    """The outbox knows addresses by their names: of two with the same one, the second would be told nothing."""
    for name, count in Counter(map(str, addresses)).items():
        if count > 1:
            raise ConfigurationError(
                f"ALERT_URLS: {count} addresses have the same name {name}, so they cannot be told apart: change one of "
                "them a little, for example by the option ?name=second at its end (&name=second after another option).",
                variable="ALERT_URLS",
            )


def _of_each_recipient(text: str) -> Iterator[str]:
    """Yield a mail address for each recipient: else one that is refused has the others told again with each try."""
    recipients = _RECIPIENTS.fullmatch(text)
    if recipients:
        for one in filter(None, recipients["to"].split(",")):
            yield f"{recipients['before']}{one}{recipients['after']}"
    else:
        yield text


def _checked(texts: list[str]) -> Iterator[AlertAddress]:
    from common.notify import apprise_client  # noqa: PLC0415  a tenth of a second, which nobody pays without an address

    for number, text in enumerate(texts, 1):
        address = AlertAddress(SecretStr(text))
        if not apprise_client.can_use(address):
            raise ConfigurationError(
                f"ALERT_URLS: no message can be sent to {masked(text)}, address {number} of {len(texts)}: "
                "docs/notifications.md shows what the address of each service looks like.",
                variable="ALERT_URLS",
            )
        yield address
