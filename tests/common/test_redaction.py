"""Secrets out of texts and log records; foreign text made harmless."""

import logging
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.redaction import STARS, RedactingFilter, Redactor, escape_controls, one_line

SECRET = "S3cr3t/With+All %of=It"


@pytest.mark.parametrize(
    "spelling",
    [SECRET, SECRET.upper(), SECRET.lower(), quote(SECRET), quote(SECRET, safe=""), quote_plus(SECRET)],
)
def test_every_spelling_is_hidden(spelling: str):
    """Plain, URL-encoded and in another case, within other text."""
    assert Redactor([SECRET]).text(f"before{spelling}after") == f"before{STARS}after"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [('qu"ote&d', 'qu\\"ote&d'), ("back\\slash", "back\\\\slash"), ("<a&b>long", "&lt;a&amp;b&gt;long")],
)
def test_escaped_spellings_are_hidden(secret: str, shown: str):
    """As JSON, Python's repr or HTML would write it."""
    assert Redactor([secret]).text(f"x {shown} y") == f"x {STARS} y"


@pytest.mark.parametrize("secrets", [[], [""], ["a"], ["", "e", "th"], ["abc"]])
def test_short_secrets_hide_nothing(secrets: list[str]):
    """An empty or tiny secret does not turn prose into stars."""
    text = "the quick brown fox, abcdef: nothing"
    assert Redactor(secrets).text(text) == text


def test_wordlike_secret_is_hidden_alone():
    """A short secret is hidden where it stands alone, not within a longer word."""
    redactor = Redactor(["demo"])
    assert redactor.text("key=demo, (DEMO) democracy demonstrates") == "key=***, (***) democracy demonstrates"


def test_the_longest_secret_goes_first():
    """A secret that begins like another leaves no rest behind."""
    assert Redactor(["abcdefghij", "abcdefghijKLM"]).text("x abcdefghijKLM y") == "x *** y"


def test_named_key_is_hidden_anyway():
    """A key in a query and a password in a URL are hidden although nobody named them."""
    text = "GET /query?apikey=ABC123&symbol=IBM, API_KEY=x redis://:pw@host/1 postgresql://me:p%40w@db/x https://a.b/c"
    expected = (
        "GET /query?apikey=***&symbol=IBM, API_KEY=*** redis://:***@host/1 postgresql://me:***@db/x https://a.b/c"
    )
    assert Redactor().text(text) == expected


def test_a_redactor_shows_no_secret():
    """Neither its repr nor its str tells."""
    redactor = Redactor([SECRET])
    assert SECRET not in f"{redactor!r} {redactor}"


@given(st.text(min_size=4), st.text(), st.text())
def test_nothing_is_left_of_a_secret(secret: str, before: str, after: str):
    """Whatever the secret is, it does not survive, alone between blanks."""
    clean = Redactor([secret]).text(f"{before} {secret} {after}")
    assert clean.lower().count(secret.lower()) <= f"{before} {STARS} {after}".lower().count(secret.lower())


PARTS = [
    "apikey=",
    "API_KEY%3D",
    "\\u0053",
    "%53",
    "&#83;",
    "://",
    "me:",
    "pw@",
    "\0",
    "S",
    "s",
    SECRET,
    SECRET.upper(),
]


@given(st.text(max_size=4), st.lists(st.one_of(st.sampled_from(PARTS), st.text("Ss3:/@=", max_size=3)), max_size=9))
def test_nothing_is_overlooked(secret: str, parts: list[str]):
    """A text that is looked through for marks first is redacted as one that every pattern reads, as beyond ASCII."""
    text, beyond = "".join(parts), "\n\N{HORIZONTAL ELLIPSIS}"
    redactor = Redactor([SECRET, secret])
    assert redactor.text(text) + beyond == redactor.text(text + beyond)


@pytest.mark.parametrize(
    ("secret", "text"), [("\N{KELVIN SIGN}ELVIN", "kelvin"), ("cla\N{LATIN SMALL LETTER LONG S}s", "CLASS")]
)
def test_a_letter_with_two_capitals(secret: str, text: str):
    """A secret beyond ASCII is hidden in a text of ASCII that differs from it in case alone."""
    assert Redactor([secret]).text(f"x {text} y") == "x *** y"


@given(st.text())
def test_one_line_is_one_printable_line(text: str):
    """No text breaks the line, moves the cursor, or is longer than agreed (before escaping)."""
    line = one_line(text, 20)
    assert len(line.splitlines()) <= 1
    assert "\x1b" not in line
    line.encode()
    assert one_line(text, 20) == escape_controls(text if len(text) <= 20 else text[:19] + "…")


def record_of(message: object, *args: object, **more: object) -> logging.LogRecord:
    record = logging.LogRecord("test", logging.ERROR, __file__, 1, message, args, None)
    vars(record).update(more)
    return record


def filtered(record: logging.LogRecord, *, escape: bool = False) -> str:
    """Return all that a handler could see of the record after the filter."""
    assert RedactingFilter(Redactor([SECRET]), escape=escape).filter(record)
    return logging.Formatter("%(message)s").format(record) + repr(vars(record))


@pytest.mark.parametrize(
    "record",
    [
        record_of(f"it is {SECRET}"),
        record_of("it is %s", SECRET),
        record_of("it is %r %d", [SECRET], 5),
        record_of("%(it)s", {"it": SECRET}),
        record_of(ValueError(SECRET)),
        record_of("too few %s %s", SECRET),
        record_of("not a number %d", SECRET),
        record_of("fine", stack_info=f"Stack:\n  {SECRET}"),
        record_of("fine", exc_text=f"Traceback\n{SECRET}"),
        record_of("fine", url=f"https://host/?q={quote(SECRET)}"),
    ],
)
def test_a_record_is_redacted_whole(record: logging.LogRecord):
    """Message, arguments, stack, traceback and extra texts."""
    seen = filtered(record)
    assert SECRET not in seen
    assert quote(SECRET) not in seen
    assert STARS in seen


def with_exception(record: logging.LogRecord, error: Exception, cause: Exception | None = None) -> logging.LogRecord:
    error.__cause__ = cause
    record.exc_info = (type(error), error, None)
    return record


def test_exception_is_redacted_with_its_chain():
    """A traceback whose causes hold a secret is replaced by its redacted text."""
    record = with_exception(record_of("failed"), ValueError("outer"), OSError(SECRET))
    seen = filtered(record)
    assert SECRET not in seen
    assert "ValueError: outer" in seen
    assert record.exc_info is None


def test_innocent_record_stays_as_it_is():
    """Without a secret in it a record keeps its arguments and its exception, and an own formatter can use them."""
    record = with_exception(record_of("%s of %s", 1, 2), ValueError("plain"))
    assert RedactingFilter(Redactor([SECRET])).filter(record)
    assert (record.msg, record.args, record.exc_info and record.exc_info[0]) == ("%s of %s", (1, 2), ValueError)


def test_foreign_log_lines_are_escaped():
    """With ``escape`` a logger that prints what a server sent prints it on one line."""
    record = record_of("header %s", "a\r\nERROR forged\x1b[2J")
    assert RedactingFilter(Redactor(), escape=True).filter(record)
    assert record.getMessage() == "header a\\x0d\\x0aERROR forged\\x1b[2J"
