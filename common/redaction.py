"""Secrets out of every text, and control characters out of every text that a stranger wrote.

``Redactor`` knows the secrets, ``RedactingFilter`` applies it to log records, ``one_line`` makes foreign text safe to
put into a message. A secret shorter than four characters is refused as a pattern (it would turn every other word into
stars); what is named as a key (``apikey=…``) or stands as a password in a URL is hidden whatever it is.
"""

import html
import json
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, quote_plus

STARS: Final = "***"
#: Below this a secret is no secret, but a syllable.
MIN_SECRET_LENGTH: Final = 4
#: Up to this a secret may well be a part of a word, so it is hidden only where it stands alone.
_MAX_WORD_LENGTH: Final = 8
_WORD: Final = "[A-Za-z0-9]"

_NAMED_KEY = re.compile(r"(?P<name>\bapi_?key(?:=|%3D))[^\s&\"'<>\\]+", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?P<user>\b[a-z][a-z0-9+.-]*://[^\s/:@\"']*:)[^\s/@\"']+(?=@)", re.IGNORECASE)

_CUT: Final = "…"


def escape_controls(text: str) -> str:
    r"""Return ``text`` with everything that does not print as ``\xNN`` or ``\uNNNN``: one line, harmless to a terminal.

    That is controls (NUL, CR, LF, ESC …), separators, bidirectional overrides, surrogates and unassigned characters.
    """
    return text if text.isprintable() else "".join(char if char.isprintable() else _escape(char) for char in text)


def one_line(text: str, limit: int = 160) -> str:
    """Return ``text`` cut to ``limit`` characters and escaped, for an error's or a log's message."""
    cut = text if len(text) <= limit else text[: limit - 1] + _CUT
    return escape_controls(cut)


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:  # noqa: PLR2004  the width of \xNN
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004  the width of \uNNNN


#: What a spelling with escapes has in it: JSON's and Python's, a URL's, HTML's, and UTF-16 read as bytes.
_ESCAPES: Final = ("\\", "%", "&", "\0")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A pattern and what replaces it. ``marks``: small letters of which an ASCII text that it matches has one."""

    marks: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str = STARS


_ALWAYS: Final[tuple[_Rule, ...]] = (
    _Rule(("key=", "key%3d"), _NAMED_KEY, rf"\g<name>{STARS}"),
    _Rule(("://",), _URL_PASSWORD, rf"\g<user>{STARS}"),
)


class Redactor:
    """Replaces the given secrets, however they are spelled, by ``***``. Thread-safe; its repr shows no secret."""

    __slots__ = ("_rules",)

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = [secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH]
        self._rules = _ALWAYS
        if known:
            spellings = set().union(*map(_spellings, known))
            # Beyond ASCII a letter may match two others (the long s is an s): such a secret is looked for in any text.
            marks = tuple(map(str.lower, spellings)) if "".join(spellings).isascii() else ("",)
            plain = _any_of(form for secret in known for form in _forms(secret))
            self._rules = (_Rule(marks, plain), _Rule(_ESCAPES, _any_of(map(_escaped, known))), *_ALWAYS)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({STARS})"

    def text(self, text: str) -> str:
        """Return ``text`` without the secrets, in any case, plain or URL-, JSON-, HTML- or repr-encoded.

        A pattern reads 50 MB a second and a mark is found at 2 GB: most texts, and all long ones, have none.
        """
        lowered, every = text.lower(), not text.isascii()
        for rule in self._rules:
            if every or any(mark in lowered for mark in rule.marks):
                text = rule.pattern.sub(rule.replacement, text)
        return text


def _any_of(forms: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern of the forms, the longest first."""
    return re.compile("|".join(sorted(set(forms), key=lambda form: (-len(form), form))), re.IGNORECASE)


def _escaped(secret: str) -> str:
    r"""Return a regular expression for the secret with each character plain or escaped, such as ``\u0041%42``."""
    form = "\0?".join(map(_any_escape, secret))
    return rf"(?<!{_WORD}){form}(?!{_WORD})" if len(secret) <= _MAX_WORD_LENGTH else form


def _any_escape(char: str) -> str:
    code = ord(char)
    octets = "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))
    return rf"(?:\\?{re.escape(char)}|\\u{code:04x}|\\x{code:02x}|{octets}|&\#0*{code};|&\#x0*{code:x};)"


def _spellings(secret: str) -> set[str]:
    plain = {secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], html.escape(secret)}
    return plain | {quote(secret, safe=""), quote(secret), quote_plus(secret)}


def _forms(secret: str) -> Iterator[str]:
    """Yield a regular expression for each spelling of ``secret``."""
    alone = len(secret) <= _MAX_WORD_LENGTH
    for spelling in _spellings(secret):
        form = re.escape(spelling)
        yield rf"(?<!{_WORD}){form}(?!{_WORD})" if alone else form


class RedactingFilter(logging.Filter):
    """Redacts a record before any handler sees it: message, arguments, traceback, stack and extra texts.

    ``escape`` also escapes control characters in the message: for loggers that print what a server sent. A record
    without a secret stays as it is, with its arguments and its exception. It never drops a record.
    """

    def __init__(self, redactor: Redactor, *, escape: bool = False) -> None:
        super().__init__()
        self._redactor = redactor
        self._escape = escape

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact ``record`` in place."""
        self._redact_message(record)
        self._redact_exception(record)
        for name, value in vars(record).items():
            if isinstance(value, str):
                setattr(record, name, self._redactor.text(value))
        return True

    def _redact_message(self, record: logging.LogRecord) -> None:
        message = _message(record)
        clean = self._redactor.text(message)
        if self._escape:
            clean = escape_controls(clean)
        if clean != message:
            record.msg, record.args = clean, ()

    def _redact_exception(self, record: logging.LogRecord) -> None:
        """Keep the exception only if no secret is in it: a handler may format it again by itself."""
        if not record.exc_info or record.exc_info[0] is None:
            return
        text = logging.Formatter().formatException(record.exc_info)
        clean = self._redactor.text(text)
        if clean != text:
            record.exc_text, record.exc_info = clean, None


def _message(record: logging.LogRecord) -> str:
    """Return the message; one whose arguments do not fit its format must be redacted all the same."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args!r}"
