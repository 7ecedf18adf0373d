"""What Alpha Vantage says in place of data, turned into the error that says what to do, and after how long.

Every soft refusal comes as HTTP 200 with a sentence under ``Information``, ``Note``, ``Error Message`` or, for bulk
quotes and from the gateway before the API, ``message``. The key under which a sentence comes has changed over the
years, so the sentence decides. The order matters: the burst sentence also mentions the day, several mention premium
plans, and what is for premium plans only may mention how many requests a minute they have.

Source: recorded replies and https://www.alphavantage.co/documentation/. A sentence that is not known here is not
guessed at: the caller refuses the reply and shows it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from common.errors import (
    ApiKeyRejected,
    DailyQuotaUsedUp,
    PipelineError,
    PremiumRequired,
    ProviderUnavailable,
    RateLimited,
    UnknownFunction,
    UnknownSymbol,
)

#: Seconds to wait: a burst is over within one or two, a minute's quota within a minute.
BURST_PAUSE_S: Final = 1.5
MINUTE_PAUSE_S: Final = 60.0

#: The provider's own keys, and what gateways say under, in small letters and in the order in which they count.
_NOTICE_KEYS: Final = ("information", "note", "error message", "message", "error", "errors", "detail")
_QUOTE_ROOT: Final = "Global Quote"
_DATA_KEYS: Final = (_QUOTE_ROOT, "Time Series", "data")
_SUCCESS: Final = "success"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A sentence's mark, and the error it stands for, made from the symbol that was asked for."""

    mark: re.Pattern[str]
    error: Callable[[str], PipelineError]


def _rule(mark: str, error: Callable[[str], PipelineError]) -> _Rule:
    return _Rule(re.compile(mark, re.IGNORECASE | re.DOTALL), error)


def _too_fast(symbol: str) -> PipelineError:
    return RateLimited(
        f"{symbol}: Alpha Vantage refused the call because calls came too fast. It will be tried again; if this "
        "comes often, another program uses the same key, or ALPHA_VANTAGE_PLAN promises too much.",
        retry_after_s=BURST_PAUSE_S,
    )


def _minute_used_up(symbol: str) -> PipelineError:
    return RateLimited(
        f"{symbol}: Alpha Vantage says that this minute's calls are used up. It will be tried again in a minute; "
        "check ALPHA_VANTAGE_PLAN.",
        retry_after_s=MINUTE_PAUSE_S,
    )


def _day_used_up(symbol: str) -> PipelineError:
    return DailyQuotaUsedUp(
        f"{symbol}: Alpha Vantage says that the key's calls for the day are used up. Wait for the day's window to "
        "reopen, or take a larger plan (ALPHA_VANTAGE_PLAN)."
    )


def _premium(symbol: str) -> PipelineError:
    return PremiumRequired(
        f"{symbol}: the key's plan does not cover this request. Ask for what the plan covers, or take a premium plan."
    )


def not_covered(subject: str) -> PipelineError:
    """Return the error for an empty object in place of a table: so the provider answers a key without the right."""
    return PremiumRequired(
        f"{subject}: Alpha Vantage sent an empty object in place of the table, as it does where the key's plan does "
        "not cover the request. Ask for what the plan covers, or take a premium plan."
    )


def _demo_key(symbol: str) -> PipelineError:
    return ApiKeyRejected(
        f"{symbol}: the demo key serves the documentation's examples only. Claim a free key at "
        "https://www.alphavantage.co/support/#api-key and set ALPHA_VANTAGE_API_KEY."
    )


def _bad_key(symbol: str) -> PipelineError:
    return ApiKeyRejected(
        f"{symbol}: Alpha Vantage does not accept the API key. Check ALPHA_VANTAGE_API_KEY; a free key can be claimed "
        "at https://www.alphavantage.co/support/#api-key."
    )


def unknown_symbol(symbol: str) -> PipelineError:
    """Return the error for a symbol without data."""
    return UnknownSymbol(
        f"{symbol}: Alpha Vantage has no data for this symbol. Check its spelling (BRK-B, TSCO.LON) in STOCK_SYMBOLS."
    )


def _unavailable(symbol: str) -> PipelineError:
    return ProviderUnavailable(
        f"{symbol}: Alpha Vantage says that it cannot answer now. It will be tried again; if this lasts, the provider "
        "has an outage.",
        status=HTTPStatus.OK,
    )


def _unknown_function(symbol: str) -> PipelineError:
    return UnknownFunction(
        f"{symbol}: Alpha Vantage does not know the function that was asked for. This is a defect of the pipeline, or "
        "the function was withdrawn: please report it."
    )


#: In the order of the provider's own precedence; the first mark that is found decides.
_RULES: Final = (
    _rule(r"spreading out your (free )?API requests|burst pattern detected|too many requests", _too_fast),
    _rule(r"rate limit is \d+ requests per day|exceeded\W+\d+ requests (per|a) day|\d+ requests?/day", _day_used_up),
    _rule(r"(daily|day's) (API )?(request|call)s?( rate)? limit.* reached", _day_used_up),
    _rule(
        r"\bis a premium|\bare premium|not (\w+ )?entitled|requires? (a |an |any )?\S* ?premium|premium.only", _premium
    ),
    _rule(r"rate limit exceed|have exceeded|stay under the number|API call (frequency|volume)", _minute_used_up),
    _rule(r"subscribe to ((any|one|all) of |a |our |the )+premium", _premium),
    _rule(r"(calls|requests) (per|a) minute", _minute_used_up),
    _rule(r"premium (membership|plan|entitlement|endpoint|feature)", _premium),
    _rule(r"\bdemo\W+API key|for demo purposes only", _demo_key),
    _rule(r"apikey is invalid or missing|API key (has been|is|was) (suspended|disabled|blocked|revoked)", _bad_key),
    _rule(r"invalid API call", unknown_symbol),
    _rule(r"API function .*does not exist", _unknown_function),
    _rule(r"timed out|internal server error|service unavailable|(temporarily|currently) unavailable", _unavailable),
    _rule(r"bad gateway|under maintenance|upstream connect error|\berror code: 1\d{3}\b", _unavailable),
)


def refusal(document: Mapping[str, object], symbol: str, *, bulk: bool = False) -> PipelineError | None:
    """Return the error that a known refusal stands for; None for data and for what is not known.

    An empty reply is an answer about one symbol; to a ``bulk`` call it says nothing.
    """
    texts = notices(document)
    for text in texts:
        if known := _known(text, symbol):
            return known
    return unknown_symbol(symbol) if not (texts or bulk) and _is_empty(document) else None


def known_words(body: str, symbol: str) -> PipelineError | None:
    """Return the error that a body of plain words stands for; None for what nobody knows, and for JSON that was cut."""
    return None if body.lstrip("\ufeff \t\r\n").startswith(("{", "[", '"')) else _known(body, symbol)


def _known(text: str, symbol: str) -> PipelineError | None:
    return next((rule.error(symbol) for rule in _RULES if rule.mark.search(text)), None)


def notices(document: Mapping[str, object]) -> list[str]:
    """Return the provider's sentences in ``document``, in the order of the keys; ``success`` is none."""
    ranked = sorted((_NOTICE_KEYS.index(key.lower()), key) for key in document if key.lower() in _NOTICE_KEYS)
    values = (document[key] for _, key in ranked)
    return [text for value in values if (text := value if isinstance(value, str) else repr(type(value))) != _SUCCESS]


def carries_data(document: Mapping[str, object]) -> bool:
    """Whether a reply has data besides its notices (bulk data under a notice are mere samples)."""
    return "message" not in document and any(value for key, value in document.items() if key.startswith(_DATA_KEYS))


def is_page(body: bytes) -> bool:
    """Whether a body is HTML or XML: a page for people, from whatever stands before the API while that is away."""
    return body[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def _is_empty(document: Mapping[str, object]) -> bool:
    """``{}`` and ``{"Global Quote": {}}`` are how a symbol without data looks."""
    return not document or any(value == {} for key, value in document.items() if key.startswith(_QUOTE_ROOT))
