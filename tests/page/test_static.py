"""What is served as it lies there: the page's own scripts, and the chart library as its makers published it."""

import hashlib
import re

import pytest

from plugins.market.web import STATIC

VENDOR = STATIC / "vendor"
OWN_SCRIPTS = sorted(STATIC.glob("*.js"))
LONGEST = 250
#: What would let text become markup or code, or need more than the strict policy allows.
UNSAFE = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\(.style"
)


def test_chart_library_is_as_published():
    """The chart library is the file of the sum beside it: nobody changed a byte of it."""
    digest, name = (VENDOR / "lightweight-charts.sha256").read_text("ascii").split()
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest


def test_chart_library_keeps_its_licence():
    """Licence and notice lie beside the library, and the page that shows a chart names and links its makers."""
    assert "Apache License" in (VENDOR / "lightweight-charts.LICENSE").read_text("utf-8")
    shell = (STATIC.parent / "templates" / "symbol.html").read_text("utf-8")
    name, holder = (VENDOR / "lightweight-charts.NOTICE").read_text("utf-8").splitlines()
    assert name in shell
    assert holder.removesuffix(" https://www.tradingview.com/") in shell
    assert 'href="https://www.tradingview.com/"' in shell


@pytest.mark.parametrize("script", OWN_SCRIPTS, ids=lambda path: path.name)
def test_scripts_write_text_only(script):
    """No script of ours makes markup or code of a text, and each is short enough to be read."""
    text = script.read_text("utf-8")
    assert UNSAFE.search(text) is None
    assert len(text.splitlines()) <= LONGEST


@pytest.mark.parametrize("shell", sorted((STATIC.parent / "templates").glob("*.html")), ids=lambda path: path.name)
def test_shells_hold_nothing_inline(shell):
    """No template has a style, a handler or a script within itself: the strict policy would drop it."""
    text = shell.read_text("utf-8")
    assert re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text) is None
    assert re.findall(r"<script(?![^>]*\ssrc=)[^>]*>", text) == []
