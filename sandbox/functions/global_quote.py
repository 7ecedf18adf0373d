"""GLOBAL_QUOTE: the latest quote of one symbol."""

from sandbox import payloads, texts
from sandbox.calls import Answer, Call, refuse
from sandbox.functions.world import World, csv_reply, is_known, json_answer, unknown


def serve(world: World, call: Call, premium: bool) -> Answer:
    """Answer with the latest complete session's prices."""
    del premium
    if not call.symbol:
        return refuse("parameters", texts.invalid_call(call.function))
    if not is_known(call.symbol):
        return unknown(call, {"Global Quote": {}})
    delayed = call.parameters.get("entitlement") == "delayed"

    def build() -> Answer:
        row = payloads.quote_row(call.symbol, *world.last_two(call.symbol))
        return csv_reply([row]) if call.csv else json_answer(payloads.global_quote(row, delayed=delayed))

    return world.cached(call.symbol, ("quote", call.csv, delayed), build)
