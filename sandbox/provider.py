"""Who may call, and how often: the keys, the demo key's own rules, and the quota. No HTTP; the clock is handed in.

The order of the checks: the key, the demo key, the quota, the function, the plan, the parameters. Every call with a
key that is accepted counts when it arrives, whatever becomes of it.
"""

from collections import OrderedDict
from dataclasses import replace
from typing import Final

from sandbox import texts
from sandbox.calls import Answer, Call, refuse
from sandbox.functions import Functions
from sandbox.plans import Meter, Plan

#: Keys with a meaning; any other text that is not empty is a key of its own.
DEMO_KEY: Final = "demo"
REJECTED_KEYS: Final = frozenset({"invalid", "revoked"})

_KEYS_REMEMBERED: Final = 10_000
#: The documentation's example of a function: IBM, but for these.
_DEMO_SYMBOL: Final = "IBM"
_DEMO_SYMBOLS: Final = {"REALTIME_BULK_QUOTES": "MSFT,AAPL,IBM", "LISTING_STATUS": "", "SYMBOL_SEARCH": ""}
_DEMO_KEYWORDS: Final = frozenset({"tesco", "tencent", "BA", "SAIC"})


class Provider:
    """The API with every key on one plan.

    ``revoked`` holds keys that worked once and do no more. The windows of 10,000 keys are kept; beyond, the one that
    came first starts again.
    """

    def __init__(self, functions: Functions, plan: Plan, *, count_refused: bool = True) -> None:
        self.functions = functions
        self.plan = plan
        self.count_refused = count_refused
        self.revoked: frozenset[str] = frozenset()
        self._meters: OrderedDict[str, Meter] = OrderedDict()

    def change_plan(self, plan: Plan) -> None:
        """Put every key on another plan, with empty windows."""
        self.plan = plan
        self._meters.clear()

    def forget(self) -> None:
        """Empty every key's windows, and let revoked keys work again."""
        self.revoked = frozenset()
        self._meters.clear()

    def answer(self, call: Call, now: float) -> Answer:
        """Answer a call that arrives at ``now`` (monotonic seconds)."""
        if not call.key or call.key in REJECTED_KEYS or call.key in self.revoked:
            return refuse("key", texts.error(texts.BAD_KEY), counted=False)
        if call.key == DEMO_KEY:
            return self._answer_demo(call)
        if full := self._meter(call.key).arrive(now):
            refusal = texts.over_quota(full, self.plan, call.key)
            return refuse(full.kind, refusal, counted=self.count_refused)
        return self.functions.serve(call, premium=self.plan.premium)

    def _meter(self, key: str) -> Meter:
        if not (meter := self._meters.get(key)):
            meter = self._meters[key] = Meter(self.plan.windows, count_refused=self.count_refused)
            if len(self._meters) > _KEYS_REMEMBERED:
                self._meters.popitem(last=False)
        return meter

    def _answer_demo(self, call: Call) -> Answer:
        """Serve the documented example addresses only; the demo key is not metered."""
        keywords = call.parameters.get("keywords", "")
        example = _DEMO_SYMBOLS.get(call.function, _DEMO_SYMBOL)
        known = call.symbol == example and (not keywords or keywords in _DEMO_KEYWORDS)
        reply = self.functions.serve(call, premium=True) if known else refuse("demo", texts.information(texts.DEMO_KEY))
        return replace(reply, counted=False)
