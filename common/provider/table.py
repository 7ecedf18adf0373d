"""CSV, as far as the client looks into it: whether a body is a table at all. What its cells mean is the caller's."""

import re
from typing import Final

from common.provider.strict_json import Unreadable

#: The first line of each of the provider's tables: two names or more, without blanks or quotes.
_HEADER: Final = re.compile(rb"(?:\xef\xbb\xbf)?[A-Za-z]\w*(?:,[A-Za-z]\w*)+\r?\n", re.ASCII)


def is_table(body: bytes) -> bool:
    """Whether ``body`` begins with a line of names, which no sentence does. Raises Unreadable if it is not UTF-8."""
    if not _HEADER.match(body):
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Unreadable("not_utf8", "it is not UTF-8") from None
    return True
