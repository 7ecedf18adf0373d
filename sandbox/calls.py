"""A call and its reply, as the API sees them: parameters in, a document out."""

import json
from dataclasses import dataclass, field
from typing import Final

from sandbox import payloads, texts

JSON: Final = "application/json"
CSV: Final = "application/x-download"
SERVED: Final = "served"
#: Refusals for the quota, by the kind of the full window.
QUOTA_VERDICTS: Final = frozenset({"refused:burst", "refused:minute", "refused:day"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request's parameters, and the two that everything looks at."""

    parameters: dict[str, str] = field(repr=False)  # the key is among them
    key: str = field(repr=False)
    function: str
    symbol: str

    @classmethod
    def of(cls, parameters: dict[str, str]) -> "Call":
        """Build it from the query string's parameters."""
        function = parameters.get("function", "").upper()
        return cls(parameters, parameters.get("apikey", ""), function, parameters.get("symbol", "").strip().upper())

    @property
    def csv(self) -> bool:
        """Whether the reply is wanted as CSV."""
        return self.parameters.get("datatype", "").lower() == "csv"


@dataclass(frozen=True, slots=True)
class Answer:
    """The API's answer. ``verdict``: ``served`` or ``refused:<why>``. ``counted``: it used one of the quota."""

    verdict: str
    body: bytes
    content_type: str = JSON
    counted: bool = True

    @property
    def document(self) -> object:
        """The JSON document that the body is, None for CSV."""
        return json.loads(self.body) if self.content_type == JSON else None


def refuse(why: str, refusal: texts.Refusal, *, counted: bool = True) -> Answer:
    """Build a refusal: JSON, even where CSV was asked for."""
    return Answer(f"refused:{why}", payloads.as_json(refusal), counted=counted)
