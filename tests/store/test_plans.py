"""How PostgreSQL finds rows in the tables that grow: by their keys, symbol by symbol, and never from end to end.

benchmarks/big.py says what that means at 25 million bars; here some ten thousand rows are enough for the same plans.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date

import pytest
from psycopg2.extensions import cursor as Cursor

from common.database.queries import statement
from common.database.rows import as_json
from common.database.upsert import latest_sessions, upsert
from common.datasets import daily_bars, quotes
from tests.support.market import Market
from tests.support.rows import NOON, bar, quote

FILL = """
INSERT INTO daily_bars SELECT 'S' || n, session, 9, 9, 9, 9, 1
FROM generate_series(1, 200) AS n, generate_series(date '2026-01-01', '2026-10-05', '1 day') AS session;
INSERT INTO stock_quotes (
    symbol, open_price, high_price, low_price, price, volume, latest_trading_day, previous_close, change_amount,
    change_percent, data_timestamp
)
SELECT symbol, 9, 9, 9, 9, 1, session, 9, 0, 0, now() FROM daily_bars;
INSERT INTO adjustment_factors SELECT DISTINCT symbol, date '-infinity', date 'infinity', 1, 1 FROM daily_bars;
INSERT INTO raw_replies (dataset, function, params, symbol, received_at, last_seen_at, sha256, size, body)
SELECT 'daily_bars', 'TIME_SERIES_DAILY', '{}', symbol, now(), now(), sha256((symbol || session)::bytea), 1, ''
FROM daily_bars WHERE session > '2026-09-15';
ANALYZE
"""
SYMBOLS = as_json([f"S{number}" for number in range(1, 51)])
DAY = date(2026, 10, 5)
QUESTIONS = {
    "the newest quotes of all": (statement("newest_quotes"), {"row_limit": 1000}),
    "the newest quotes of some": (statement("newest_quotes_of"), {"symbols": SYMBOLS, "row_limit": 1000}),
    "the newest bars of some": (latest_sessions(daily_bars.TABLE), {"symbols": SYMBOLS}),
    "jumps of some": (statement("unexplained_jumps"), {"symbols": SYMBOLS}),
    "what some lack": (
        statement("missing_sessions"),
        {"symbols": SYMBOLS, "sessions": [DAY], "newest": 100, "compact": 100},
    ),
    "gaps of some": (statement("due_gaps"), {"symbols": SYMBOLS, "moment": NOON, "compact": 100}),
    "the factors of some": (
        statement("actions_to_adjust_for"),
        {"rows": as_json([{"symbol": f"S{number}", "first": DAY, "last": DAY} for number in range(1, 51)])},
    ),
    "an upsert of bars": (upsert(daily_bars.TABLE), {"rows": as_json([bar()])}),
    "an upsert of quotes": (statement(quotes.TABLE.statement), {"rows": as_json([quote()])}),
    "a history as traded": ("SELECT * FROM price_history WHERE symbol = 'S1'", None),
    "a history adjusted": ("SELECT * FROM adjusted_history WHERE symbol = 'S1'", None),
}


@pytest.fixture
def cursor(market: Market) -> Iterator[Cursor]:
    with closing(market.connect(market.admin)) as connection, connection.cursor() as opened:
        opened.execute(FILL)
        yield opened


def plan(cursor: Cursor, question: str, values: object = None) -> str:
    cursor.execute(f"EXPLAIN {question}", values)
    return "\n".join(line for (line,) in cursor.fetchall())


def test_no_growing_table_is_scanned(cursor: Cursor):
    """What a run, a person or the page asks of some symbols reads neither all bars nor all quotes."""
    plans = {name: plan(cursor, *question) for name, question in QUESTIONS.items()}
    assert {
        name: seen for name, seen in plans.items() if re.search("Seq Scan on (daily_bars|stock_quotes)", seen)
    } == {}


def test_restating_reply_is_found_by_key(cursor: Cursor):
    """What the trigger of a restated bar asks, for each of thousands a day, sorts no replies."""
    cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'keep_bar_revision'")
    ((source,),) = cursor.fetchall()
    (question,) = re.findall(r"\(\s+(SELECT reply\.id .+? LIMIT 1)\s+\)", source, re.DOTALL)
    seen = plan(cursor, question.replace("restated.symbol", "'S1'"))
    assert "Index Scan Backward using raw_replies_newest_series" in seen
    assert "Sort" not in seen


def test_newest_quotes_take_one_descent(cursor: Cursor):
    """The view goes down the key once for each symbol, and sorts nothing."""
    seen = plan(cursor, "SELECT * FROM latest_quotes")
    assert seen.count("Index Scan Backward using stock_quotes_key") == seen.count(" on stock_quotes") == 2
    assert "Sort" not in seen
