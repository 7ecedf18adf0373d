"""REALTIME_BULK_QUOTES: the quotes of up to a hundred symbols, for a premium key."""

from typing import Final

from sandbox import payloads, texts
from sandbox.calls import Answer, Call, refuse
from sandbox.functions.world import World, csv_reply, is_known, json_answer

MAX_SYMBOLS: Final = 100
#: A key without the right gets the notice and, beside it, rows of these that look like data.
_SAMPLES: Final = ("MSFT", "AAPL", "IBM")


def serve(world: World, call: Call, premium: bool) -> Answer:
    """Answer with a row for each known symbol; without the right with the premium notice and three samples."""
    if not premium:
        samples = [payloads.bulk_row(symbol, *world.last_two(symbol)) for symbol in _SAMPLES]
        document = payloads.bulk_quotes(samples, texts.PREMIUM_ENDPOINT)
        return Answer("refused:premium", payloads.as_json(document))
    symbols = [symbol.strip() for symbol in call.symbol.split(",") if symbol.strip()][:MAX_SYMBOLS]
    if not symbols:
        return refuse("parameters", texts.invalid_call(call.function))
    rows = [payloads.bulk_row(symbol, *world.last_two(symbol)) for symbol in symbols if is_known(symbol)]
    return csv_reply(rows) if call.csv and rows else json_answer(payloads.bulk_quotes(rows))
