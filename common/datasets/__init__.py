"""Replies into rows, or into reasons why not: pure, and the only room that knows whether a price is plausible.

A reply without its structure is refused whole (PayloadRejected). Of a series or a bulk reply each row is judged on its
own (Rejection). The codes are stable, for the ledger, the quarantine and the metrics:

==================== ===============================================================================
``missing_root``     the object that holds the data is not there
``wrong_structure``  a list or a text where an object must be, or the reverse
``missing_field``    a field is not there
``not_text``         a value is no string, though the provider sends nothing else, or holds what no column can: NUL, say
``no_value``         an empty string, or a word for nothing: ``None``, ``null``, ``-``, ``N/A``
``not_a_number``     not plain decimal digits: an exponent, a comma, a blank, NaN, Infinity
``not_an_integer``   a volume that is not plain digits
``not_a_percent``    a percentage without its sign
``out_of_range``     NUMERIC(20,6) or BIGINT cannot hold it
``too_precise``      a price with more than six decimals, which storing would change; noise within 1e-9 is none
``negative``         a price or a volume below zero
``not_positive``     a price of zero, or a zero in the range of a session in which shares changed hands
``high_below_low``   the session's high is below its low
``outside_range``    open or last price outside of low and high
``change_mismatch``  the change is not the price less the previous close
``percent_mismatch`` the percentage is not the change over the previous close
``not_a_date``       not YYYY-MM-DD, or no day of the calendar
``future_date``      more than a day after the reply arrived (a day, because of time zones)
``ancient_date``     before 1900
``no_session``       a bulk row's time is before its day's session, or on no weekday: the prices are of another day
``symbol_mismatch``  the reply is about another symbol
``duplicate_symbol`` a bulk reply has two rows for the symbol
``absent``           a bulk reply has no row for the symbol
``no_rows``          a series without a row
``unfinished``       the session was still open; no fault: the bar comes whole another time
==================== ===============================================================================

Decisions: open and last price must lie within low and high, give or take one unit of the provider's fourth decimal,
only if shares changed hands: without a trade (volume 0) the provider carries the last price over from an earlier day,
and zeros stand for the range. A symbol in another spelling (``BRK-B`` for ``BRK.B``) is another symbol: which spellings
are the same security, only the provider knows. Prices are exact or refused, but for the noise of a binary double, which
is taken off (``236.13099999999997`` is 236.131); what the provider computes (percentages, adjusted closes, dividends,
split coefficients) is rounded to six decimals. A change may differ from the difference of the prices by what rounding
to four decimals and arithmetic in single precision explain: 0.0003 at 1,000, 0.003 at 24,000.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from common.datasets.dataset import Dataset

#: Every dataset of one symbol a call, by its name: that of its module, which holds it under the name in capitals.
#: What one more takes (seven files, five of them new): docs/adr/0017-one-dataset-one-file.md
NAMES: Final = (
    "quotes",
    "daily_bars",
    "full_history",
    "splits",
    "dividends",
)


class _Datasets(Mapping[str, "Dataset"]):
    """The datasets by name, each imported when it is asked for: for the names alone, ``--help`` would wait a second."""

    def __getitem__(self, name: str) -> "Dataset":
        if name not in NAMES:
            raise KeyError(name)
        dataset: Dataset = getattr(import_module(f"{__name__}.{name}"), name.upper())
        return dataset

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


DATASETS: Final[Mapping[str, "Dataset"]] = _Datasets()
