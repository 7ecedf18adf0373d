"""The API's functions, one file each: what a call gets that is neither refused for its key nor for the quota."""

from collections.abc import Callable, Mapping
from typing import Final

from sandbox import texts
from sandbox.calls import Answer, Call, refuse
from sandbox.functions import (
    bulk_quotes,
    dividends,
    global_quote,
    listing_status,
    splits,
    symbol_search,
    time_series_daily,
)
from sandbox.functions.world import World

Function = Callable[[World, Call, bool], Answer]

FUNCTIONS: Final[Mapping[str, Function]] = {
    "GLOBAL_QUOTE": global_quote.serve,
    "TIME_SERIES_DAILY": time_series_daily.serve,
    "TIME_SERIES_DAILY_ADJUSTED": time_series_daily.serve_adjusted,
    "REALTIME_BULK_QUOTES": bulk_quotes.serve,
    "SPLITS": splits.serve,
    "DIVIDENDS": dividends.serve,
    "LISTING_STATUS": listing_status.serve,
    "SYMBOL_SEARCH": symbol_search.serve,
}


class Functions(World):
    """The functions over the prices of one seed."""

    def serve(self, call: Call, *, premium: bool) -> Answer:
        """Answer ``call``; ``premium``: whether the key may use everything."""
        if not (function := FUNCTIONS.get(call.function)):
            return refuse("function", texts.unknown_function(call.parameters.get("function", "")))
        return function(self, call, premium)
