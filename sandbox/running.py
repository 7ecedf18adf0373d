"""A sandbox of one's own in another process, for tests and benchmarks."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from sandbox.request_log import Entry

_ROOT: Final = Path(__file__).resolve().parent.parent
_ANSWER_S: Final = 30


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """The control endpoints of the sandbox at ``url``. Raises urllib.error.HTTPError where one refuses."""

    url: str

    def health(self) -> dict[str, Any]:
        """Return what it says of itself."""
        return self._get("/sandbox/health")

    def entries(self, since: int = 0) -> list[Entry]:
        """Return the log after entry ``since``, page by page."""
        entries: list[Entry] = []
        while page := self._get(f"/sandbox/log?since={since}")["entries"]:
            entries += (Entry(**entry) for entry in page)
            since = entries[-1].id
        return entries

    def usage(self) -> dict[str, Any]:
        """Return each key's record."""
        return self._get("/sandbox/usage")

    def change(self, what: str, **values: object) -> dict[str, Any]:
        """Post to ``/sandbox/<what>``: faults, plan, revoke or reset."""
        return self._ask(Request(f"{self.url}/sandbox/{what}", json.dumps(values).encode()))  # noqa: S310  our own server

    def _get(self, path: str) -> dict[str, Any]:
        return self._ask(Request(self.url + path))  # noqa: S310  our own server

    @staticmethod
    def _ask(request: Request) -> dict[str, Any]:
        with urlopen(request, timeout=_ANSWER_S) as reply:  # noqa: S310  our own server
            answer: dict[str, Any] = json.load(reply)
        return answer


@contextmanager
def running(*arguments: str) -> Iterator[RunningSandbox]:
    """Run ``python -m sandbox`` with these arguments on a free port until the block ends.

    Raises RuntimeError where it does not start; the reason stands on stderr.
    """
    command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own program
        try:
            yield RunningSandbox(_address(process))
        finally:
            process.terminate()
            process.wait()


def _address(process: subprocess.Popen[str]) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if " on http://" not in line:
        raise RuntimeError(f"the sandbox did not start (exit status {process.wait()}); its message stands on stderr.")
    return line.partition(" on ")[2].split()[0]
