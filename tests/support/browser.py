"""The system's Chromium for tests that look at a page, and a tab that notes what the page complained about."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

#: Says on the console what a page's policy stopped; Chromium's own message is an error there too.
VIOLATIONS: Final = (
    "addEventListener('securitypolicyviolation', (event) => console.error('CSP', event.violatedDirective))"
)
NETWORK_CHANGED: Final = "ERR_NETWORK_CHANGED"
_PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")


class NoChromium(Exception):
    """There is no Chromium on the PATH; none is downloaded."""


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Run the system's Chromium, without a window. Raises NoChromium."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise NoChromium("no chromium on the PATH: install it, for example with apt-get install chromium")
    with sync_playwright() as playwright:
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=root)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Complaints:
    """What a page said as an error, broke of its policy, or asked of another host than ``url``'s.

    ``network_changed``: a container or a tunnel of this machine came or went, and Chromium then breaks off every
    request, even one to this machine. That is no fault of the page.
    """

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    network_changed: bool = False

    def __post_init__(self) -> None:
        self.page.add_init_script(VIOLATIONS)
        self.page.on("console", lambda said: self._note(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda asked: self._judge(asked.url))

    def _note(self, said: str) -> None:
        if NETWORK_CHANGED in said:
            self.network_changed = True
        else:
            self.problems.append(said)

    def _judge(self, asked: str) -> None:
        if urlsplit(asked).scheme.startswith("http") and urlsplit(asked).netloc != urlsplit(self.url).netloc:
            self.problems.append(f"asked another host: {asked}")
