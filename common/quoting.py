"""A person's value in another program's language: one function for each, with the source of its grammar.

Each returns text that the program reads as exactly the value. What the program cannot take at all is a
ConfigurationError that names the value (``what``) and never shows it, for it may be a password. Free of any library.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import quote

from common.errors import ConfigurationError

_LINE_ENDS: Final = "\r\n"
#: What supervisord begins a comment with, where a blank stands before it.
_COMMENT: Final = re.compile(r"(?<=\s)(?=[;#])")
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{([^}]*)\})", re.ASCII)
#: An expansion that every section knows, cut to no characters.
_EMPTY: Final = "%(here).0s"


def redis_conf(value: str, what: str) -> str:
    r"""Return an argument of a line of redis.conf or of ``redis-server -``, in double quotes with ``\`` escapes.

    Grammar: ``sdssplitargs`` in Redis's src/sds.c.
    """
    _refuse(value, what, "Redis")
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'


def supervisor_value(value: str, what: str) -> str:
    """Return the value of an option of supervisord.conf that is taken as it is, such as a path.

    ``%`` expands, a blank before ``;`` or ``#`` begins a comment, and blanks at the ends are cut off: there an
    expansion that is empty keeps them apart. Grammar: supervisor's options.py (``UnhosedConfigParser``, ``expand``).
    """
    _refuse(value, what, "supervisord", _LINE_ENDS)
    escaped = _COMMENT.sub(lambda _: _EMPTY, value.replace("%", "%%"))
    first = _EMPTY if value[:1].isspace() or value[:1] in {";", "#"} else ""
    last = _EMPTY if value[-1:].isspace() else ""
    return f"{first}{escaped}{last}"


def supervisor_log(value: str, what: str) -> str:
    """Return ``stdout_logfile`` of a program in supervisord.conf, which alone is expanded twice."""
    return supervisor_value(value.replace("%", "%%"), what)


def supervisor_command(words: Iterable[str], what: str) -> str:
    """Return ``command`` of supervisord.conf: words quoted as for a shell, in a value of supervisord's.

    Grammar: supervisor's process.py splits it with ``shlex.split``.
    """
    return supervisor_value(" ".join(shell(word, what) for word in words), what)


def supervisor_environment(variables: Mapping[str, str]) -> str:
    """Return ``environment`` of supervisord.conf: ``NAME="value"`` with commas.

    It knows no escapes: a value in which both kinds of quotes stand, or with one at an end, cannot be written.
    Grammar: ``dict_of_key_value_pairs`` in supervisor's datatypes.py.
    """
    return supervisor_value(",".join(f"{name}={_in_quotes(text, name)}" for name, text in variables.items()), "a value")


def _in_quotes(value: str, what: str) -> str:
    _refuse(value, what, "supervisord", _LINE_ENDS)
    kind = "'" if '"' in value else '"'
    if kind in value or value.strip("'\"") != value:
        raise ConfigurationError(
            f"{what} cannot be passed on to supervisord: it has no way to write both kinds of quotes, or one at an "
            "end of a value. Use other characters.",
            variable=what,
        )
    return f"{kind}{value}{kind}"


def shell(value: str, what: str) -> str:
    """Return a word of a POSIX shell's command line. Grammar: POSIX.1-2017, Shell Command Language, 2.2 Quoting."""
    _refuse(value, what, "a shell")
    return shlex.quote(value)


def url_part(value: str, what: str) -> str:
    """Return a user, password, database or option of a URL, percent-encoded as UTF-8.

    Grammar: RFC 3986, 2.1; libpq, SQLAlchemy, redis-py and kombu all decode each part so.
    """
    _refuse(value, what, "a URL")
    return quote(value, safe="")


def pgpass_line(host: str, port: int, database: str, user: str, password: str) -> str:
    r"""Return a line of libpq's password file; ``\`` escapes itself and ``:``.

    Grammar: PostgreSQL's documentation, "The Password File", and ``passwordFromFile`` in libpq's fe-connect.c.
    """
    fields = {"the host": host, "the port": str(port), "the database": database, "the user": user}
    for what, value in (*fields.items(), ("the password", password)):
        _refuse(value, what, "libpq's password file", _LINE_ENDS)
    escaped = (value.replace("\\", "\\\\").replace(":", "\\:") for value in (*fields.values(), password))
    line = ":".join(escaped)
    return f"\\{line}" if line.startswith("#") else line


def initdb_password(value: str, what: str) -> str:
    """Return what ``initdb --pwfile`` reads: the file's first line, as it is. Grammar: PostgreSQL's initdb.c."""
    _refuse(value, what, "initdb", _LINE_ENDS)
    if not value:
        raise ConfigurationError(f"{what} is empty: PostgreSQL's superuser needs a password.", variable=what)
    return value


def flower_conf(users: Mapping[str, str], what: str) -> str:
    """Return a configuration file of Flower in which these users may log in, by name.

    The file is Python; as a variable or an option the same list would be split at commas. Flower compares with
    ``hmac.compare_digest``, which takes ASCII alone. Grammar: tornado's ``parse_config_file``, RFC 7617.
    """
    for name, password in users.items():
        _refuse(password, what, "Flower")
        if not f"{name}{password}".isascii() or ":" in name:
            raise ConfigurationError(
                f"{what} cannot be used: Flower compares ASCII characters alone. Choose another one.", variable=what
            )
    return f"basic_auth = {[f'{name}:{password}' for name, password in users.items()]!r}\n"


def expanded_names(value: str) -> list[str]:
    """Return the variables that ``os.path.expandvars`` would look for in a path."""
    return [plain or braced for plain, braced in _VARIABLE.findall(value)]


def require_unexpanded(value: str, environment: Mapping[str, str], what: str) -> None:
    """Refuse a path that Airflow would change: it expands ``$NAME`` of its settings, and there is no escape.

    Grammar: ``expand_env_var`` in Airflow's configuration, which is ``os.path.expandvars``.
    """
    for name in expanded_names(value):
        if name in environment:
            raise ConfigurationError(
                f"{what} has a name with ${name}, which Airflow replaces by that variable's value: rename it.",
                variable=name,
            )


def _refuse(value: str, what: str, program: str, characters: str = "") -> None:
    """Refuse what no C string holds (NUL), what is no text (lone surrogates), and ``characters``."""
    if re.search(f"[\0\ud800-\udfff{re.escape(characters)}]", value):
        unusable = "line ends, NUL" if characters else "NUL"
        raise ConfigurationError(
            f"{what} cannot be passed on to {program}: it holds characters that cannot be written there ({unusable}, "
            "or bytes that are not UTF-8). Use others.",
            variable=what,
        )
