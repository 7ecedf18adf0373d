"""SPLITS: every split of one symbol, newest first, with factors of four decimals."""

from sandbox import texts
from sandbox.calls import Answer, Call, refuse
from sandbox.functions.world import World, csv_reply, is_known, json_answer


def serve(world: World, call: Call, premium: bool) -> Answer:
    """Answer with the splits up to the latest session; an unknown symbol never had one."""
    del premium
    if not call.symbol:
        return refuse("parameters", texts.invalid_call(call.function))
    stock = world.market.stock(call.symbol)
    splits = stock.splits(world.latest(stock.exchange)) if is_known(call.symbol) else []
    rows = [
        {"effective_date": stock.exchange.sessions[session].isoformat(), "split_factor": f"{ratio:.4f}"}
        for session, ratio in reversed(splits)
    ]
    if call.csv and rows:
        return csv_reply(rows)
    return json_answer({"symbol": call.symbol, "data": rows})
