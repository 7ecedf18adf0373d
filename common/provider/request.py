"""What to ask the provider for: a function of its API and the parameters, without the key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

#: The most (bytes, decoded) that a reply may hold: any quote, list or compact series is far below.
MAX_BYTES: Final = 2_000_000
#: Twenty-five years of adjusted bars, indented, are about 2.5 MB.
MAX_BYTES_FULL: Final = 16_000_000
#: Thirteen thousand listed companies are 1 MB of CSV; there is room for every one that ever was.
MAX_BYTES_LISTING: Final = 8_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """One call. ``subject`` names what it is about in messages, ``params`` are its query besides function and key.

    ``format``: what the data come as; a refusal is JSON also where they are CSV, and the reply to a CSV call has its
    table in ``text`` and an empty document. ``notice_in_message``: the reply is about many symbols, says in ``message``
    what other replies say in a notice, and has samples beside a refusal.
    """

    function: str
    subject: str
    params: Mapping[str, str] = field(default_factory=dict)
    max_bytes: int = MAX_BYTES
    format: Literal["json", "csv"] = "json"
    notice_in_message: bool = False
