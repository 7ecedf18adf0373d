"""SYMBOL_SEARCH: companies whose symbol or name is like some keywords."""

from sandbox import payloads, texts, universe
from sandbox.calls import CSV, SERVED, Answer, Call, refuse
from sandbox.functions.world import World, json_answer


def serve(world: World, call: Call, premium: bool) -> Answer:
    """Answer with the best matches."""
    del world, premium
    if not (keywords := call.parameters.get("keywords", "").strip()):
        return refuse("parameters", texts.invalid_call(call.function))
    rows = universe.search(keywords)
    if call.csv:
        return Answer(SERVED, payloads.as_csv([universe.MATCH_FIELDS, *rows]), CSV)
    names = [f"{number}. {name}" for number, name in enumerate(universe.MATCH_FIELDS, 1)]
    return json_answer({"bestMatches": [dict(zip(names, row, strict=True)) for row in rows]})
