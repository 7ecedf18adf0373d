"""TIME_SERIES_DAILY and TIME_SERIES_DAILY_ADJUSTED: the daily bars of one symbol, newest first."""

import zlib
from typing import Final

from sandbox import payloads, texts
from sandbox.calls import SERVED, Answer, Call, refuse
from sandbox.functions.world import World, csv_reply, is_known, json_answer, unknown

_FAST: Final = 1
#: How many histories are kept: 200 MB of them.
_HISTORIES: Final = 1000


def serve(world: World, call: Call, premium: bool) -> Answer:
    """Answer with raw bars: the latest 100, or all of them for a premium key."""
    if call.parameters.get("outputsize") == "full" and not premium:
        return refuse("premium", texts.information(texts.PREMIUM_OUTPUT_SIZE))
    return _series(world, call, adjusted=False)


def serve_adjusted(world: World, call: Call, premium: bool) -> Answer:
    """Answer with raw bars and adjusted closes, for a premium key."""
    if not premium:
        return refuse("premium", texts.information(texts.PREMIUM_ENDPOINT))
    return _series(world, call, adjusted=True)


def _series(world: World, call: Call, *, adjusted: bool) -> Answer:
    if not is_known(call.symbol):
        return unknown(call, texts.invalid_call(call.function))
    full = call.parameters.get("outputsize") == "full"
    if not full or call.csv:
        return _build(world, call, full=full, adjusted=adjusted)
    # 1.4 MB of text, which take 0.1 s to make: they are kept packed, at a seventh of that, and unpacked in 2 ms.
    packed = world.cached(
        call.symbol,
        ("history", adjusted),
        lambda: zlib.compress(_build(world, call, full=True, adjusted=adjusted).body, _FAST),
        most=_HISTORIES,
    )
    return Answer(SERVED, zlib.decompress(packed))


def _build(world: World, call: Call, *, full: bool, adjusted: bool) -> Answer:
    stock = world.market.stock(call.symbol)
    last = world.latest(stock.exchange)
    first = 0 if full else max(0, last - payloads.COMPACT_ROWS + 1)
    bars = stock.bars(first, last)
    rows = payloads.adjusted_rows(bars) if adjusted else payloads.daily_rows(bars)
    if call.csv:
        return csv_reply(rows)
    return json_answer(payloads.time_series(call.symbol, rows, full=full, adjusted=adjusted))
