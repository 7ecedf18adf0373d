"""A list of companies, line by line: what is a listing, what is a finding, and what is no list at all."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import PayloadRejected
from common.provider import MAX_BYTES_LISTING
from common.universe.listings import MAX_NAME, Listing, ListingsRead, read_listings, request
from common.values import Symbol

HEADER = "symbol,name,exchange,assetType,ipoDate,delistingDate,status"
IBM = "IBM,International Business Machines Corp,NYSE,Stock,1962-01-02,null,Active"


def read(*lines: str) -> ListingsRead:
    return read_listings("\n".join([HEADER, *lines, ""]), "Active")


def line(symbol: str = "A", name: str = "Agilent", ipo: str = "1999-11-18", exchange: str = "NYSE") -> str:
    return f"{symbol},{name},{exchange},Stock,{ipo},null,Active"


def codes(*lines: str) -> list[str]:
    """Return the findings of the lines, which stand before a sound one that is not lost for them."""
    found = read(*lines, IBM)
    assert found.listings[-1].symbol == "IBM"
    return [finding.code for finding in found.findings]


def test_a_line_is_a_listing():
    """Its cells are typed, and null is no date."""
    assert read(IBM) == ListingsRead(
        [
            Listing(
                Symbol("IBM"),
                "International Business Machines Corp",
                "NYSE",
                "Stock",
                date(1962, 1, 2),
                None,
                "Active",
            )
        ],
        [],
    )


def test_the_delisted_are_another_list():
    """Each list is asked for by its state, within a bound of its own, and has the lines of its state only."""
    gone = "AAC,Ares,NYSE,Stock,2021-02-02,2023-11-06,Delisted"
    text = "\n".join([HEADER, gone, IBM, ""])
    assert [each.delisting_date for each in read_listings(text, "Delisted").listings] == [date(2023, 11, 6)]
    assert [finding.code for finding in read_listings(text, "Active").findings] == ["wrong_status"]
    asked = request("Delisted")
    assert (asked.params, asked.format, asked.max_bytes) == ({"state": "delisted"}, "csv", MAX_BYTES_LISTING)


@pytest.mark.parametrize("symbol", ["ACWV:BAT", "BC/PB", "-P-HIZ", "NXT(EXP20091224)", "NA", "NULL", "NAN", "TRUE"])
def test_every_spelling_is_a_symbol(symbol: str):
    """What tools take for nothing, or for a formula, is a ticker here."""
    assert [each.symbol for each in read(line(symbol)).listings] == [symbol]


@pytest.mark.parametrize(
    ("name", "kept"), [("", ""), ("   ", ""), (" VOL  ETF ", "VOL  ETF"), ("a\tb\0", "a\\x09b\\x00")]
)
def test_a_name_may_be_anything(name: str, kept: str):
    """It may be empty or padded, and what does not print is shown as what it is."""
    assert [each.name for each in read(line(name=name)).listings] == [kept]


def test_a_long_name_is_cut():
    """No name is longer than its column."""
    assert [each.name for each in read(line(name="x" * 5000)).listings] == ["x" * MAX_NAME]


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ("BROKEN,Half of a line", "wrong_width"),
        ("", "wrong_width"),
        (f"{IBM},more", "wrong_width"),
        ('A,"Quoted,NYSE,Stock,1999-11-18,null,Active', "wrong_width"),
        (line(ipo="soon"), "not_a_date"),
        (line(ipo="2025-02-30"), "not_a_date"),
        (line(ipo="0001-01-01"), "ancient_date"),
        (line("NYCB- PR-U"), "not_a_symbol"),
        (line(""), "not_a_symbol"),
        (line("A" * 33), "not_a_symbol"),
        (line(exchange=""), "no_value"),
        (f"{line()[:-6]}Halted", "wrong_status"),
    ],
)
def test_a_bad_line_costs_itself(broken: str, code: str):
    """It is a finding that names its place, and the lines after it are read."""
    assert codes(broken) == [code]
    assert read(broken, IBM).findings[0].message.startswith("line 2: ")


def test_quotes_are_understood():
    """A name in quotes may have a comma, should the provider ever write one."""
    assert [each.name for each in read(line(name='"Agilent, Inc"')).listings] == ["Agilent, Inc"]


def test_the_later_duplicate_counts():
    """Of two lines of one listing the later counts and the other is a finding; another date is another listing."""
    found = read(line(name="Old"), line(name="New"), line(name="Older", ipo="1990-01-01"))
    assert [(each.name, each.ipo_date) for each in found.listings] == [
        ("New", date(1999, 11, 18)),
        ("Older", date(1990, 1, 1)),
    ]
    assert [(finding.code, finding.message[:7]) for finding in found.findings] == [("duplicate", "line 2:")]


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("ZVZZT", "NASDAQ TEST STOCK"),
        ("ZAZZT", "ZAZZT"),
        ("CBO", "NYSE LISTED TEST STOCK FOR CTS AND CQS"),
        ("CBX", "NYSE LISTED TEST"),
        ("ZBZX", "Bats Listed Test"),
        ("NTEST-Q", ""),
        ("ZTST", ""),
        ("ZZZ", "TEST TICKER FOR UTP"),
    ],
)
def test_a_test_issue_is_known(symbol: str, name: str):
    """What an exchange lists to test its machines is known by its ticker or by its name."""
    assert read(line(symbol, name)).listings[0].is_test


@pytest.mark.parametrize(
    ("symbol", "name"),
    [("AEHR", "Aehr Test Systems"), ("HSCS", "Heart Test Laboratories Inc"), ("INTT", "Intest Corp"), ("ZZ", "")],
)
def test_a_tester_is_a_company(symbol: str, name: str):
    """Companies that test for a living are none of these."""
    assert not read(line(symbol, name)).listings[0].is_test


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "wrong_header"),
        ("symbol,name\nA,B\n", "wrong_header"),
        (f"{HEADER},isin\n{IBM},x\n", "wrong_header"),
        (f"{HEADER}\n{IBM}", "cut_short"),
        (f"{HEADER}\n{IBM}\nA,Agil", "cut_short"),
        (HEADER, "cut_short"),
        (f"{HEADER}\n", "no_rows"),
        (f"{HEADER}\nA,B\n", "no_rows"),
    ],
)
def test_what_is_no_list(text: str, code: str):
    """Other columns, a list that was cut, and one without a listing are refused whole, with the text."""
    with pytest.raises(PayloadRejected) as caught:
        read_listings(text, "Active")
    assert (caught.value.code, caught.value.payload) == (code, text)


def test_windows_lines_are_read():
    """CRLF and a byte order mark change nothing."""
    assert read_listings(f"\ufeff{HEADER}\r\n{IBM}\r\n", "Active") == read(IBM)


@given(st.lists(st.text().filter(lambda text: "\n" not in text and "\r" not in text)))
def test_nothing_in_a_line_escapes(lines: list[str]):
    """Whatever stands in lines, each is a listing or a finding, and the sound one beside them is read."""
    found = read(*lines, IBM)
    assert len(found.listings) + len(found.findings) == len(lines) + 1
