"""LISTING_STATUS: which companies are listed, or were, on a day; CSV only."""

from datetime import date

from sandbox import payloads, texts, universe
from sandbox.calls import CSV, SERVED, Answer, Call, refuse
from sandbox.functions.world import World
from sandbox.trading_days import NEW_YORK


def serve(world: World, call: Call, premium: bool) -> Answer:
    """Answer with the active or the delisted companies."""
    del premium
    state = call.parameters.get("state", "active").lower()
    try:
        on = date.fromisoformat(call.parameters.get("date") or NEW_YORK.sessions[world.latest()].isoformat())
    except ValueError:
        return refuse("parameters", texts.invalid_call(call.function))
    if state not in {"active", "delisted"}:
        return refuse("parameters", texts.invalid_call(call.function))
    return Answer(SERVED, payloads.as_csv(universe.listing_rows(on, state)), CSV)
