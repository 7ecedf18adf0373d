"""Every refusal of the API on demand, and its answers without data, whatever the quota says."""

from collections.abc import Callable, Mapping
from typing import Final

from sandbox import texts
from sandbox.calls import Answer, Call
from sandbox.payloads import as_json

_PER_SECOND: Final = 30
_FREE_DAY: Final = 25

REFUSALS: Final[dict[str, Callable[[Call], Mapping[str, object]]]] = {
    "burst": lambda _: texts.information(texts.BURST),
    "burst-premium": lambda _: texts.burst_premium(_PER_SECOND),
    "minute": lambda _: texts.minute(5, 500),
    "minute-premium": lambda _: texts.information(texts.MINUTE_PREMIUM),
    "call-volume": lambda _: {"Note": texts.CALL_VOLUME},
    "day": lambda call: texts.day(_FREE_DAY, call.key),
    "day-variant": lambda _: texts.day_variant(_FREE_DAY),
    "premium": lambda _: texts.information(texts.PREMIUM_ENDPOINT),
    "premium-outputsize": lambda _: texts.information(texts.PREMIUM_OUTPUT_SIZE),
    "not-entitled": lambda _: texts.information(texts.NOT_ENTITLED),
    "demo": lambda _: texts.information(texts.DEMO_KEY),
    "key": lambda _: texts.error(texts.BAD_KEY),
    "function": lambda call: texts.unknown_function(call.parameters.get("function", "")),
    "invalid-call": lambda call: texts.invalid_call(call.function),
    "unknown-symbol": lambda _: {"Global Quote": {}},
    "empty-object": lambda _: {},
    "gateway": lambda _: {"message": texts.GATEWAY},
    "news": lambda _: texts.information(texts.NEWS),
}


def refusal(name: str, call: Call) -> Answer:
    """Return the refusal ``name`` as the API would word it for ``call``."""
    return Answer(f"fault:{name}", as_json(REFUSALS[name](call)))
