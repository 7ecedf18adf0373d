"""What to ask the provider for: a function of its API and the parameters, without the key."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: The most (bytes, decoded) that a reply may hold: any quote, list or compact series is far below.
MAX_BYTES: Final = 2_000_000
#: Twenty-five years of adjusted bars, indented, are about 2.5 MB.
MAX_BYTES_FULL: Final = 16_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """One call. ``subject`` names what it is about in messages, ``params`` are its query besides function and key.

    ``notice_in_message``: the reply says in ``message`` what other replies say in a notice.
    """

    function: str
    subject: str
    params: Mapping[str, str] = field(default_factory=dict)
    max_bytes: int = MAX_BYTES
    notice_in_message: bool = False
