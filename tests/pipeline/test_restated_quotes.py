"""A quote that the provider restates, fetched in each way that there is: the revision names the reply that said so."""

import pytest

from common.values import Symbol
from tests.support.batches import RUN, symbols
from tests.support.bulk import PREMIUM
from tests.support.market import Market
from tests.support.wiring import wired
from workers.pipeline.feeds import FIRST

#: As if the provider had said something else in the evening of that day.
OTHERWISE = """
    UPDATE stock_quotes SET price = price * 1.5, high_price = high_price * 2,
        data_timestamp = (latest_trading_day + interval '22 hours') AT TIME ZONE 'UTC'
"""
NAMED = """
    SELECT count(*), count(DISTINCT reply.id), min(reply.function)
    FROM quote_revisions AS revision JOIN stock_quotes AS quote USING (symbol, latest_trading_day)
    JOIN raw_replies AS reply ON reply.id = revision.reply_id
    WHERE quote.data_timestamp IN (reply.received_at, reply.last_seen_at)
"""


@pytest.mark.parametrize(
    ("changes", "replies", "function"),
    [
        ({}, 4, "GLOBAL_QUOTE"),
        ({"QUOTES_FROM": "bars"}, 4, "TIME_SERIES_DAILY"),
        (PREMIUM, 1, "REALTIME_BULK_QUOTES"),
    ],
    ids=["alone", "from bars", "shared"],
)
def test_each_way_finds_its_reply(
    environment: dict[str, str], market: Market, changes: dict[str, str], replies: int, function: str
):
    """Quotes of calls of their own, of a series of bars and of a call that many share: all find their reply."""
    with wired(environment, **changes) as wiring:
        dataset = wiring.dataset_of(FIRST)
        wiring.store.ledger.plan_run(RUN, symbols(4), batch_size=4, dataset=dataset.name)
        batch = wiring.batch(dataset, budget_s=60)
        batch.run(RUN, 1)
        market.query(OTHERWISE)
        market.query("DELETE FROM quote_revisions")
        batch.run(RUN, 1, force=True, cleared=True)
        assert market.query(NAMED) == [(4, replies, function)]


def test_a_symbol_alone_finds_it(environment: dict[str, str], market: Market):
    """The same holds for a symbol that is fetched by itself."""
    with wired(environment) as wiring:
        wiring.job.run("first", Symbol("IBM"))
        market.query(OTHERWISE)
        market.query("DELETE FROM quote_revisions")
        wiring.job.run("second", Symbol("IBM"))
        assert market.query(NAMED) == [(1, 1, "GLOBAL_QUOTE")]
