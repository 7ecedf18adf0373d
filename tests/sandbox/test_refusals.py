"""What the sandbox refuses, without HTTP: the texts, and the order of the checks."""

import json
from datetime import date
from typing import Any

import pytest

from sandbox.calls import Answer, Call
from sandbox.functions import Functions
from sandbox.plans import plan_named
from sandbox.provider import Provider

FUNCTIONS = Functions(1, date(2026, 10, 5))
KEY = "MARKED-KEY-0123456789"


def provider(plan: str = "unlimited", quota: str = "", **more: Any) -> Provider:
    return Provider(FUNCTIONS, plan_named(plan, quota), **more)


def ask(
    function: str, symbol: str | None = "IBM", *, on: Provider | None = None, now: float = 0, **more: str
) -> Answer:
    parameters = {"function": function, "apikey": KEY} | more | ({} if symbol is None else {"symbol": symbol})
    return (on or provider()).answer(Call.of(parameters), now)


def document(reply: Answer) -> Any:
    found = json.loads(reply.body)
    assert found == reply.document
    return found


def test_every_refusal_word_for_word():
    """Each refusal of the facts page comes with its key, its text and its verdict."""
    burst = provider("free")
    ask("GLOBAL_QUOTE", on=burst)
    premium = provider("premium1200", "30/s")
    for _ in range(30):
        ask("GLOBAL_QUOTE", on=premium)
    legacy = provider("legacy")
    for second in range(5):
        ask("GLOBAL_QUOTE", on=legacy, now=second)
    day = provider("free", "25/day")
    for second in range(25):
        ask("GLOBAL_QUOTE", on=day, now=second)
    free = provider("free", "unlimited")
    subscribe = "You may subscribe to any of the premium plans at https://www.alphavantage.co/premium/"
    expected = [
        (
            ask("GLOBAL_QUOTE", on=burst, now=0.9),
            "burst",
            "Information",
            (
                "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more "
                f"sparingly (1 request per second). {subscribe} to lift the free key rate limit (25 requests per day), "
                "raise the per-second burst limit, and instantly unlock all premium endpoints"
            ),
        ),
        (
            ask("GLOBAL_QUOTE", on=premium, now=0.9),
            "burst",
            "Information",
            (
                "Burst pattern detected. Please consider spreading out your API requests more evenly across a 1-minute "
                "window and query no more than 30 requests per second."
            ),
        ),
        (
            ask("GLOBAL_QUOTE", on=legacy, now=59),
            "minute",
            "Note",
            (
                "Thank you for using Alpha Vantage! Our standard API call frequency is 5 calls per minute and 500 "
                "calls per day. Please visit https://www.alphavantage.co/premium/ if you would like to target a higher "
                "API call frequency."
            ),
        ),
        (
            ask("GLOBAL_QUOTE", on=day, now=86_399),
            "day",
            "Information",
            (
                f"We have detected your API key as {KEY} and our standard API rate limit is 25 requests per day. "
                "Please subscribe to any of the premium plans at https://www.alphavantage.co/premium/ to instantly "
                "remove all daily rate limits."
            ),
        ),
        (
            ask("TIME_SERIES_DAILY_ADJUSTED", on=free),
            "premium",
            "Information",
            (
                f"Thank you for using Alpha Vantage! This is a premium endpoint. {subscribe} to instantly unlock all "
                "premium endpoints"
            ),
        ),
        (
            ask("TIME_SERIES_DAILY", outputsize="full", on=free),
            "premium",
            "Information",
            (
                "Thank you for using Alpha Vantage! The outputsize=full parameter value is a premium feature for the "
                f"TIME_SERIES_DAILY endpoint. {subscribe} to instantly unlock all premium features"
            ),
        ),
        (
            ask("GLOBAL_QUOTE", "AAPL", apikey="demo"),
            "demo",
            "Information",
            (
                "The **demo** API key is for demo purposes only. Please claim your free API key at "
                "(https://www.alphavantage.co/support/#api-key) to explore our full API offerings. It takes fewer than "
                "20 seconds."
            ),
        ),
        (
            ask("GLOBAL_QUOTE", apikey="invalid"),
            "key",
            "Error Message",
            (
                "the parameter apikey is invalid or missing. Please claim your free API key on "
                "(https://www.alphavantage.co/support/#api-key). It should take less than 20 seconds."
            ),
        ),
        (
            ask("TIME_SERIES_DAILY", "NOSUCH1"),
            "symbol",
            "Error Message",
            (
                "Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/documentation/)"
                " for TIME_SERIES_DAILY."
            ),
        ),
        (ask("NO_SUCH"), "function", "Error Message", "This API function (NO_SUCH) does not exist."),
    ]
    for reply, why, key, text in expected:
        assert document(reply) == {key: text}
        assert reply.verdict == f"refused:{why}"


def test_unknown_symbols():
    """A quote without data is an empty object under its root; one reserved symbol gives nothing at all."""
    assert document(ask("GLOBAL_QUOTE", "NOSUCH1")) == {"Global Quote": {}}
    assert document(ask("GLOBAL_QUOTE", "<script>")) == {"Global Quote": {}}
    assert document(ask("GLOBAL_QUOTE", "A" * 33)) == {"Global Quote": {}}
    assert document(ask("GLOBAL_QUOTE", "NOSUCH-EMPTY")) == document(ask("TIME_SERIES_DAILY", "NOSUCH-EMPTY")) == {}
    assert "Invalid API call" in document(ask("GLOBAL_QUOTE", None))["Error Message"]


def test_bulk_call_names_missing_plan():
    """The free plan gets the premium notice, and beside it sample rows of symbols that nobody asked for."""
    found = document(ask("REALTIME_BULK_QUOTES", "TSLA", on=provider("free")))
    assert [row["symbol"] for row in found["data"]] == ["MSFT", "AAPL", "IBM"]
    assert "This is a premium endpoint" in found["message"]


def test_errors_are_json_for_csv_too():
    """A refusal ignores datatype=csv."""
    assert "Error Message" in document(ask("TIME_SERIES_DAILY", "NOSUCH1", datatype="csv"))
    assert document(ask("GLOBAL_QUOTE", "NOSUCH1", datatype="csv")) == {"Global Quote": {}}


@pytest.mark.parametrize("key", ["", "invalid", "revoked"])
def test_bad_key_comes_first_and_uncounted(key):
    """The key is checked before the function."""
    reply = ask("NO_SUCH", apikey=key)
    assert reply.verdict == "refused:key"
    assert not reply.counted


def test_revoked_key_can_come_back():
    """A revoked key is refused until the sandbox is reset."""
    subject = provider()
    subject.revoked = frozenset({KEY})
    assert ask("GLOBAL_QUOTE", on=subject).verdict == "refused:key"
    subject.forget()
    assert ask("GLOBAL_QUOTE", on=subject).verdict == "served"


def test_quota_is_checked_before_the_function():
    """An unknown function, an unknown symbol and a premium call each use one of the quota."""
    subject = provider("free", "3/day")
    verdicts = [
        ask(function, symbol, on=subject).verdict
        for function, symbol in (
            ("NO_SUCH", "IBM"),
            ("GLOBAL_QUOTE", "NOSUCH1"),
            ("TIME_SERIES_DAILY_ADJUSTED", "IBM"),
            ("NO_SUCH", "IBM"),
        )
    ]
    assert verdicts == ["refused:function", "refused:symbol", "refused:premium", "refused:day"]


@pytest.mark.parametrize("count_refused", [True, False])
def test_a_reply_says_whether_it_counted(count_refused):
    """A call that is refused for the quota counts where the setting says so; all others with a good key count."""
    subject = provider("free", "1/day", count_refused=count_refused)
    assert ask("GLOBAL_QUOTE", on=subject).counted
    assert ask("GLOBAL_QUOTE", on=subject).counted is count_refused


def test_each_key_has_its_own_quota():
    """One key's used-up day does not touch another's."""
    subject = provider("free", "1/day")
    assert [ask("GLOBAL_QUOTE", on=subject, apikey=key).verdict for key in ("a", "b", "a")] == [
        "served",
        "served",
        "refused:day",
    ]


def test_changed_plan_begins_with_empty_windows():
    """After a change of plan the key can call again, and premium calls follow the plan."""
    subject = provider("free", "1/day")
    ask("GLOBAL_QUOTE", on=subject)
    assert ask("GLOBAL_QUOTE", on=subject).verdict == "refused:day"
    subject.change_plan(plan_named("premium75"))
    assert ask("TIME_SERIES_DAILY_ADJUSTED", on=subject).verdict == "served"


def test_demo_key_serves_the_documented_examples():
    """IBM and the three bulk symbols, as often as one likes."""
    subject = provider("free", "1/day")
    for _ in range(3):
        assert ask("GLOBAL_QUOTE", "IBM", on=subject, apikey="demo").verdict == "served"
        reply = ask("REALTIME_BULK_QUOTES", "MSFT,AAPL,IBM", on=subject, apikey="demo")
        assert (reply.verdict, reply.counted) == ("served", False)


def test_no_representation_holds_the_key():
    """Neither a call's repr nor a refusal's, except where the provider itself echoes it."""
    call = Call.of({"function": "GLOBAL_QUOTE", "symbol": "IBM", "apikey": KEY})
    assert KEY not in repr(call)
