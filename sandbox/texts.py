"""The provider's refusals, word for word as they have been recorded. All of them come with HTTP 200."""

from typing import Final

from sandbox.plans import Plan, Window

_SITE: Final = "https://www.alphavantage.co"
_SUBSCRIBE: Final = f"You may subscribe to any of the premium plans at {_SITE}/premium/"
_REMOVE_LIMITS: Final = (
    f"Please subscribe to any of the premium plans at {_SITE}/premium/ to instantly remove all daily rate limits."
)

BURST: Final = (
    "Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly (1 request "
    f"per second). {_SUBSCRIBE} to lift the free key rate limit (25 requests per day), raise the per-second burst "
    "limit, and instantly unlock all premium endpoints"
)
PREMIUM_ENDPOINT: Final = (
    f"Thank you for using Alpha Vantage! This is a premium endpoint. {_SUBSCRIBE} to instantly unlock all premium "
    "endpoints"
)
PREMIUM_OUTPUT_SIZE: Final = (
    "Thank you for using Alpha Vantage! The outputsize=full parameter value is a premium feature for the "
    f"TIME_SERIES_DAILY endpoint. {_SUBSCRIBE} to instantly unlock all premium features"
)
NOT_ENTITLED: Final = (
    "You are not yet entitled to index data access. Please subscribe to any of our premium plans (75 or more requests "
    "per minute)."
)
MINUTE_PREMIUM: Final = (
    "Minute-level rate limit exceed. Please stay under the number of API requests per minute for your premium "
    "subscription plan."
)
CALL_VOLUME: Final = (
    f"Thank you for using Alpha Vantage! Please visit {_SITE}/premium/ if you would like to have a higher API call "
    "volume."
)
#: What the gateway before the API says when that is slow.
GATEWAY: Final = "Endpoint request timed out"
#: A sentence that the provider never used: any refusal may get other words at any time.
NEWS: Final = "Alpha Vantage is moving house. Requests are answered again as soon as we have unpacked."
DEMO_KEY: Final = (
    f"The **demo** API key is for demo purposes only. Please claim your free API key at ({_SITE}/support/#api-key) to "
    "explore our full API offerings. It takes fewer than 20 seconds."
)
BAD_KEY: Final = (
    f"the parameter apikey is invalid or missing. Please claim your free API key on ({_SITE}/support/#api-key). It "
    "should take less than 20 seconds."
)

Refusal = dict[str, str]


def information(text: str) -> Refusal:
    """Wrap a text that is no error to the provider."""
    return {"Information": text}


def error(text: str) -> Refusal:
    """Wrap a text that is an error to the provider."""
    return {"Error Message": text}


def burst_premium(per_second: int) -> Refusal:
    """Refuse a burst on a premium plan."""
    return information(
        "Burst pattern detected. Please consider spreading out your API requests more evenly across a 1-minute window "
        f"and query no more than {per_second} requests per second."
    )


def minute(limit: int, day_limit: int | None = None) -> Refusal:
    """Refuse because the minute is used up, as the provider worded it for its old free plan of 5 a minute."""
    day = f" and {day_limit} calls per day" if day_limit else ""
    return {
        "Note": f"Thank you for using Alpha Vantage! Our standard API call frequency is {limit} calls per minute{day}. "
        f"Please visit {_SITE}/premium/ if you would like to target a higher API call frequency."
    }


def day(limit: int, key: str) -> Refusal:
    """Refuse because the day is used up. It echoes the key, as the provider does."""
    return information(
        f"We have detected your API key as {key} and our standard API rate limit is {limit} requests per day. "
        f"{_REMOVE_LIMITS}"
    )


def day_variant(limit: int) -> Refusal:
    """Refuse because the day is used up, in the wording without the key."""
    return information(
        f"Thank you for using Alpha Vantage! Our standard API rate limit is {limit} requests per day. {_REMOVE_LIMITS}"
    )


def invalid_call(function: str) -> Refusal:
    """Refuse a symbol or parameter that the function does not know."""
    return error(f"Invalid API call. Please retry or visit the documentation ({_SITE}/documentation/) for {function}.")


def unknown_function(function: str) -> Refusal:
    """Refuse a function that does not exist."""
    return error(f"This API function ({function}) does not exist.")


def over_quota(window: Window, plan: Plan, key: str) -> Refusal:
    """Refuse because ``window`` is full."""
    if window.kind == "day":
        return day(window.limit, key)
    if window.kind == "minute":
        daily = next((other.limit for other in plan.windows if other.kind == "day"), None)
        return minute(window.limit, daily)
    return burst_premium(plan.per_second) if plan.premium else information(BURST)
