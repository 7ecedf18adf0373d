"""Which companies of the list a run asks for: ``STOCK_SYMBOLS=listing:NASDAQ,NYSE:type=ETF``. A value, without a look
at any list.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from common.errors import ConfigurationError
from common.values import Symbol

if TYPE_CHECKING:  # the settings have such a filter, and a DAG file that reads them needs no client of HTTP
    from common.universe.listings import Listing

PREFIX: Final = "listing:"
ALL: Final = "ALL"
_VARIABLE: Final = "STOCK_SYMBOLS"
_FORM: Final = re.compile(r"listing:(?P<exchanges>[^:;=]+)(:type=(?P<types>[^:;=]+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ListingFilter:
    """Exchanges and types by name, in capitals, with ``_`` for a blank; none stands for all."""

    exchanges: tuple[str, ...] = ()
    asset_types: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``listing:NYSE_ARCA,BATS:type=ETF``; without a type all of them. Raises ConfigurationError."""
        match = _FORM.fullmatch(text.strip())
        exchanges, types = (_names(match["exchanges"]), _names(match["types"] or ALL)) if match else ((), ())
        if not (exchanges and types):
            raise ConfigurationError(
                f"{_VARIABLE}={text[:64]!r} is no choice of listed companies: write listing:NASDAQ,NYSE, or "
                "listing:all, with :type=ETF or :type=Stock behind it for one type.",
                variable=_VARIABLE,
            )
        return cls(() if ALL in exchanges else exchanges, () if ALL in types else types)

    def __str__(self) -> str:
        types = f":type={','.join(self.asset_types)}" if self.asset_types else ""
        return f"{PREFIX}{','.join(self.exchanges) or 'all'}{types}"

    def symbols(self, listings: Iterable["Listing"]) -> tuple[Symbol, ...]:
        """Return the symbols of the listings that are chosen, each once, without those that exchanges test with."""
        return tuple(dict.fromkeys(each.symbol for each in listings if self._chooses(each) and not each.is_test))

    def require_known(self, listings: Sequence["Listing"]) -> None:
        """Raise ConfigurationError for a name that no listing has: its message has those that there are."""
        for what, asked, there in (
            ("exchange", self.exchanges, {_name(each.exchange) for each in listings}),
            ("type", self.asset_types, {_name(each.asset_type) for each in listings}),
        ):
            if unknown := [name for name in asked if name not in there]:
                raise ConfigurationError(
                    f"{_VARIABLE}={self}: the list of companies knows no {what} {unknown[0][:64]!r}; there are "
                    f"{', '.join(sorted(there))}.",
                    variable=_VARIABLE,
                )

    def _chooses(self, listing: "Listing") -> bool:
        by_exchange = not self.exchanges or _name(listing.exchange) in self.exchanges
        return by_exchange and (not self.asset_types or _name(listing.asset_type) in self.asset_types)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(_name, text.split(",")))))


def _name(text: str) -> str:
    """Return a name in the one spelling that names are compared in: ``NYSE ARCA`` is ``NYSE_ARCA``."""
    return "_".join(text.upper().split())
