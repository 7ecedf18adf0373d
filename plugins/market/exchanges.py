"""The exchanges by their calendar's code (ISO 10383): how people call them, their time zone, and what prices are in."""

from typing import Final, NamedTuple


class Exchange(NamedTuple):
    """``unit`` is the provider's: London's prices are in pence."""

    name: str
    timezone: str
    unit: str


#: Those of common.trading_calendar; where a calendar serves several floors, the name says so.
EXCHANGES: Final = {
    "BVMF": Exchange("São Paulo", "America/Sao_Paulo", "BRL"),
    "XAMS": Exchange("Amsterdam", "Europe/Amsterdam", "EUR"),
    "XASX": Exchange("Sydney", "Australia/Sydney", "AUD"),
    "XBOM": Exchange("Mumbai", "Asia/Kolkata", "INR"),
    "XBRU": Exchange("Brussels", "Europe/Brussels", "EUR"),
    "XDUS": Exchange("Düsseldorf", "Europe/Berlin", "EUR"),
    "XETR": Exchange("Xetra", "Europe/Berlin", "EUR"),
    "XFRA": Exchange("Frankfurt", "Europe/Berlin", "EUR"),
    "XHAM": Exchange("Hamburg", "Europe/Berlin", "EUR"),
    "XHKG": Exchange("Hong Kong", "Asia/Hong_Kong", "HKD"),
    "XLIS": Exchange("Lisbon", "Europe/Lisbon", "EUR"),
    "XLON": Exchange("London", "Europe/London", "pence (GBX)"),
    "XMIL": Exchange("Milan", "Europe/Rome", "EUR"),
    "XNYS": Exchange("United States", "America/New_York", "USD"),
    "XPAR": Exchange("Paris", "Europe/Paris", "EUR"),
    "XSHG": Exchange("Shanghai and Shenzhen", "Asia/Shanghai", "CNY"),
    "XSTO": Exchange("Stockholm", "Europe/Stockholm", "SEK"),
    "XSTU": Exchange("Stuttgart, Berlin and Munich", "Europe/Berlin", "EUR"),
    "XSWX": Exchange("Zurich", "Europe/Zurich", "CHF"),
    "XTKS": Exchange("Tokyo", "Asia/Tokyo", "JPY"),
    "XTSE": Exchange("Toronto", "America/Toronto", "CAD"),
}
