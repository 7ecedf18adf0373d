"""Full history: all the daily bars that there are of a symbol, in one reply; for a premium plan."""

from dataclasses import replace
from functools import partial
from typing import Final

from common.datasets.daily_bars import COMPACT, DAILY_BARS, request
from common.datasets.dataset import Backfill

#: Due once, and where a compact series would leave a gap. Else, and where the key may not ask for it, that series is.
FULL_HISTORY: Final = replace(
    DAILY_BARS,
    name="full_history",
    request=partial(request, full=True),
    due=Backfill(beyond=COMPACT),
    instead=DAILY_BARS,
)
