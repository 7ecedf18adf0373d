"""Alpha Vantage over HTTP: the only room that knows its URLs, functions, payload keys and status codes.

A call returns a ``Reply`` or raises a leaf of ``common.errors`` that says what to do next. What the client answers
for:

* one **total** deadline an attempt (``common.deadline``), and a bound on the reply's decoded size;
* ``attempts`` for network faults, deadlines and 5xx alone, with full jitter; a ``Retry-After`` up to 30 s is obeyed.
  At worst a call lasts ``attempts * timeout_s + (attempts - 1) * 30`` seconds, and the waits of its gates;
* a gate around **each** attempt, because the provider counts each;
* the API key in no message, exception, log record, repr or reply: it joins the URL in the last step before sending.

A reply that cannot be read raises PayloadRejected with one of these codes:

==================== ===============================================================================
``too_large``        more than the bound, decoded
``not_decodable``    the body is not what its Content-Encoding says
``not_utf8``         the body is not UTF-8 (a byte order mark is tolerated)
``not_json``         not one whole JSON value: a page, plain text, a body that was cut
``not_an_object``    JSON, but not an object
``not_csv``          where CSV was asked for: no header of plain names, and no refusal either
``duplicate_key``    a name occurs twice in an object, so one of the values is wrong
``not_finite``       NaN or Infinity, or a number beyond any magnitude
``nesting``          nested absurdly deep
``http_status``      neither 200 nor one of the statuses that have an error of their own
==================== ===============================================================================

The order of trust is: data, then known notices (also as plain words in place of JSON), then emptiness. What is none
of these, but a page (``not_json``, say), a notice that nobody knows (``unexpected_notice``), or the refusal of a
gateway (403, 408, 425, a page with another 4xx), is ProviderBusy: the provider may merely be away. Of many symbols'
data nothing is taken where a notice stands beside them, and a notice that nobody knows is PayloadRejected: it is about
that way of asking.

Proxies and certificates: on https the platform's conventions hold (``HTTPS_PROXY``, ``NO_PROXY``,
``REQUESTS_CA_BUNDLE``); on http, which is for loopback, no proxy is ever used. ``.netrc`` and cookies never are.
"""

from common.provider.client import (
    MAX_RETRY_AFTER_S,
    AlphaVantageClient,
    Gate,
)
from common.provider.kept import read_kept
from common.provider.request import MAX_BYTES, MAX_BYTES_FULL, MAX_BYTES_LISTING, Request

__all__ = [
    "MAX_BYTES",
    "MAX_BYTES_FULL",
    "MAX_BYTES_LISTING",
    "MAX_RETRY_AFTER_S",
    "AlphaVantageClient",
    "Gate",
    "Request",
    "read_kept",
]
