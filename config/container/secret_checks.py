"""What the secrets step refuses: a value that a program cannot take, a file that the containers cannot read.

Each refusal is a sentence that names the variable and the remedy, and shows no value. Standard library only.
"""

import base64
import binascii
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

#: What services read of the checkout.
MOUNTED: Final = ("dags", "config/symbols")
CHECKOUT: Final = Path("/opt/pipeline")
_FERNET_KEY_BYTES: Final = 32


class SecretUnusable(Exception):
    """A secret that was given cannot be used; the message says which, and what to do."""


def read_file(path: Path, name: str) -> str:
    """Return what stands in the file of ``name``_FILE, '' where there is none. Raises SecretUnusable."""
    try:
        if not path.stat().st_size:  # the file that stands for "not set" may be closed to us: a clone's umask decides
            return ""
        return path.read_text("utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SecretUnusable(
            f"the file of {name}_FILE cannot be read: {problem}. User 50000 of group 0 reads it: `chmod a+r` it, or "
            "let group 0 alone read it (`chgrp 0`, `chmod g+r`)."
        ) from None


def require_usable(name: str, value: str) -> None:
    """Refuse, without showing it, what a program that gets the secret cannot take."""
    if not value.isprintable():
        raise SecretUnusable(f"{name} holds a line break, a tab or another control character: take it out.")
    if name == "FLOWER_PASSWORD" and not value.isascii():
        raise SecretUnusable("FLOWER_PASSWORD may hold ASCII characters only: Flower compares no others.")
    if name == "FERNET_KEY" and not _is_fernet_key(value):
        raise SecretUnusable(
            "FERNET_KEY is no Fernet key: 32 random bytes in URL-safe base64, as `openssl rand -base64 32 | tr +/ -_` "
            "prints them."
        )
    if name == "AIRFLOW_DATABASE_URL" and not _is_url(value, "postgresql+psycopg2", "postgresql"):
        raise SecretUnusable("AIRFLOW_DATABASE_URL must be postgresql+psycopg2://user:password@host:port/database.")
    if name == "CELERY_BROKER_URL" and not _is_url(value, "redis", "rediss"):
        raise SecretUnusable("CELERY_BROKER_URL must be redis://:password@host:port/0, or rediss:// for TLS.")


def _is_fernet_key(value: str) -> bool:
    try:
        return len(base64.b64decode(value.encode(), altchars=b"-_", validate=True)) == _FERNET_KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _is_url(value: str, *schemes: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is no number, because a password holds an unescaped / or #
        return False


def check_mounted(authorities: Path, checkout: Path = CHECKOUT) -> None:
    """Refuse files that the containers' user cannot read: a clone under `umask 077` has only such."""
    for folder in MOUNTED:
        if closed := next(_unreadable(checkout / folder), None):
            raise SecretUnusable(
                f"{closed.relative_to(checkout)} cannot be read by the containers' user 50000: "
                f"run `chmod -R a+rX {' '.join(MOUNTED)}`."
            )
    if read_file(authorities, "TLS_CA") and "BEGIN CERTIFICATE" not in authorities.read_text("utf-8"):
        raise SecretUnusable("the file of TLS_CA_FILE holds no certificate in PEM form.")


def _unreadable(folder: Path) -> Iterator[Path]:
    for path in (folder, *folder.rglob("*")):
        if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
            yield path
