"""What follows the quotes through the cluster, within the same quota: daily bars, and each feed after them."""

from collections import Counter

import pytest

from common.datasets import DATASETS
from common.datasets.daily_bars import DAILY_BARS
from common.values import OutcomeStatus, Symbol
from local.temporary import wait_until
from tests.cluster.conftest import Running
from workers.pipeline.feeds import DAGS, FIRST, run_name

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

#: What a feed asks for: the history's is no dataset's name.
FUNCTIONS = [DATASETS.get(feed, DAILY_BARS).request(Symbol("IBM")).function for feed in DAGS]
#: The second one splits within its last hundred sessions, the first one pays.
SYMBOLS = ["HISTORY2", "SPLIT7"]


def runs(running: Running, feed: str) -> set[str]:
    """Return the runs of the feed."""
    return set(running.cluster.api.runs(DAGS[feed]))


def test_each_feed_follows_the_one_before(running: Running):
    """A run of quotes brings the bars of its symbols, then what each other feed has of them: one call each."""
    for feed in DAGS:
        running.pause(DAGS[feed], paused=False)
    known = {feed: runs(running, feed) for feed in DAGS}
    ended = {FIRST: running.run(SYMBOLS)[0]}
    try:
        for feed in list(DAGS)[1:]:
            wait_until(lambda feed=feed: runs(running, feed) - known[feed], f"a run of the {feed}", 120)
            (ended[feed],) = runs(running, feed) - known[feed]
            running.wait(ended[feed], dag_id=DAGS[feed])
    finally:
        running.pause(DAGS["history"], paused=True)
    for feed, run_id in ended.items():  # with the symbols of runs that ended while the history was paused
        outcomes = running.outcomes(run_name(feed, run_id))
        assert [outcomes[symbol].status for symbol in SYMBOLS] == 2 * [OutcomeStatus.STORED], feed
    calls = Counter(entry.function for entry in running.sandbox.entries() if entry.symbol in SYMBOLS)
    assert calls == dict.fromkeys(FUNCTIONS, len(SYMBOLS))
    bars = running.query("SELECT symbol, count(*) FROM daily_bars WHERE symbol = ANY (%s) GROUP BY 1", SYMBOLS)
    assert sorted(bars) == [(symbol, 100) for symbol in SYMBOLS]
    actions = running.query("SELECT DISTINCT symbol, kind FROM corporate_actions WHERE symbol = ANY (%s)", SYMBOLS)
    assert ("SPLIT7", "split") in actions
