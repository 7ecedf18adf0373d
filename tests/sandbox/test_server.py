"""The sandbox as a process: its quota over a socket, its log, its control endpoints, its start and its end."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from local.temporary import wait_until
from sandbox.plans import parse_quota
from sandbox.quota_audit import judge
from sandbox.request_log import digest, read_log
from sandbox.running import RunningSandbox, running

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = "MARKED-KEY-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    with running("--plan", "unlimited", "--today", "2026-10-05") as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(server: RunningSandbox) -> RunningSandbox:
    """The module's server, on the unlimited plan, remembering nothing."""
    server.change("plan", plan="unlimited")
    server.change("faults", faults="", latency="", stall=60)
    server.change("reset")
    return server


def get(sandbox: RunningSandbox, symbol: str = "IBM", key: str = KEY, **more: str) -> requests.Response:
    parameters = {"function": "GLOBAL_QUOTE", "symbol": symbol, "apikey": key} | more
    return requests.get(f"{sandbox.url}/query", parameters, timeout=30)


def ask_at_once(sandbox: RunningSandbox, calls: int, clients: int = 8) -> Counter[str]:
    """Call from many threads with one key; return how many replies had which root key."""
    with ThreadPoolExecutor(clients) as pool:
        replies = pool.map(lambda number: get(sandbox, f"S{number}").json(), range(calls))
        return Counter(next(iter(reply)) for reply in replies)


def test_a_quote_over_http(sandbox):
    """Status 200, JSON, the symbol in upper case."""
    reply = get(sandbox, "ibm")
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "application/json")
    assert reply.json()["Global Quote"]["01. symbol"] == "IBM"


def test_csv_is_served_as_download(sandbox):
    """CSV carries a file name; an error that was asked for as CSV is JSON with status 200."""
    assert get(sandbox, datatype="csv").headers["Content-Disposition"].startswith("attachment")
    refused = get(sandbox, datatype="csv", function="NO_SUCH")
    assert (refused.status_code, refused.headers["Content-Type"]) == (200, "application/json")
    assert "Content-Disposition" not in refused.headers


def test_encoded_parameters_are_decoded(sandbox):
    """A symbol with a caret or an encoded dot is read as it is meant."""
    assert get(sandbox, "^GSPC").json()["Global Quote"]["01. symbol"] == "^GSPC"
    url = f"{sandbox.url}/query?function=GLOBAL_QUOTE&symbol=tsco%2Elon&apikey=k"
    assert requests.get(url, timeout=30).json()["Global Quote"]["01. symbol"] == "TSCO.LON"


@pytest.mark.parametrize("limit", [1, 7, 25])
def test_exactly_the_quota_is_admitted(sandbox, limit):
    """Forty calls at once with one key: exactly the limit is served, all others are refused."""
    sandbox.change("plan", quota=f"{limit}/day")
    assert ask_at_once(sandbox, 40) == {"Global Quote": limit, "Information": 40 - limit}
    record = sandbox.usage()["keys"][digest(KEY)]
    assert (record["calls"], record["served"], record["refused"]) == (40, limit, {"day": 40 - limit})
    assert record["windows"][0]["most"] == 40
    assert not record["within_quota"]


def test_windows_slide():
    """Hammered over several windows with refusals uncounted, no span of a second ever admits more than the limit."""
    with running("--quota", "40/s", "--refused", "uncounted") as sandbox, ThreadPoolExecutor(8) as pool:
        served = 0
        while served < 100:
            replies = pool.map(lambda number: get(sandbox, f"S{number}").json(), range(40))
            served += sum("Global Quote" in reply for reply in replies)
        entries = sandbox.entries()
    times = [entry.at for entry in entries if entry.verdict == "served"]
    assert len(times) == served
    assert max(sum(start <= time < start + 1 for time in times) for start in times) == 40
    assert {entry.verdict for entry in entries} == {"served", "refused:burst"}
    ruling = judge(entries, parse_quota("40/s"))[digest(KEY)]
    assert ruling.windows[0].most == 40
    assert not ruling.within_quota


def test_caller_within_quota_is_never_refused(sandbox):
    """Who calls as soon as the window allows it is always served, and the judge finds nothing."""
    sandbox.change("plan", quota="2/s")
    for number in range(5):
        arrivals = [entry.at for entry in sandbox.entries()]
        if number > 1:
            wait_until(lambda opens=arrivals[-2] + 1: time.monotonic() >= opens, "the window opens")
        assert "Global Quote" in get(sandbox).json()
    ruling = judge(sandbox.entries(), parse_quota("2/s"))[digest(KEY)]
    assert ruling.within_quota
    assert ruling.served == 5
    assert ruling.share_used is not None
    assert 0 < ruling.share_used <= 1


def test_a_changed_plan_holds_at_once(sandbox):
    """The control endpoint switches the quota and what is premium, and says what holds now."""
    assert sandbox.change("plan", plan="free") == {"plan": "free", "quota": "1/s,25/day", "refused_count": True}
    assert "premium" in get(sandbox, function="TIME_SERIES_DAILY_ADJUSTED").text
    assert sandbox.health()["plan"] == "free"
    sandbox.change("plan", quota="9/min")  # with empty windows, or the call below would be a burst
    assert sandbox.health()["plan"] == "custom"
    assert "Time Series (Daily)" in get(sandbox, function="TIME_SERIES_DAILY_ADJUSTED").json()


def test_key_is_revoked_in_middle(sandbox):
    """After the revocation the key gets the bad-key reply, and after a reset it works again."""
    assert "Global Quote" in get(sandbox).json()
    sandbox.change("revoke", keys=[KEY])
    assert "apikey is invalid" in get(sandbox).json()["Error Message"]
    sandbox.change("reset")
    assert "Global Quote" in get(sandbox).json()


def test_log_tells_everything_but_key(sandbox):
    """Each request stands there once, in order, with its verdict; nothing that the server tells holds the key."""
    get(sandbox)
    get(sandbox, "NOSUCH1", function="TIME_SERIES_DAILY")
    get(sandbox, "FAULT-NAN")
    get(sandbox, key="")
    entries = sandbox.entries()
    assert [(entry.function, entry.symbol, entry.verdict, entry.counted) for entry in entries] == [
        ("GLOBAL_QUOTE", "IBM", "served", True),
        ("TIME_SERIES_DAILY", "NOSUCH1", "refused:symbol", True),
        ("GLOBAL_QUOTE", "FAULT-NAN", "fault:nan", True),
        ("GLOBAL_QUOTE", "IBM", "refused:key", False),
    ]
    assert {entry.key for entry in entries} == {digest(KEY), ""}
    assert all(before.at < after.at for before, after in pairwise(entries))
    assert sandbox.entries(entries[1].id) == entries[2:]
    for path in ("log", "usage", "health", "faults"):
        assert KEY not in requests.get(f"{sandbox.url}/sandbox/{path}", timeout=30).text


def test_the_page_says_what_this_is(sandbox):
    """A person who opens the address learns that prices are invented, and the page loads nothing from elsewhere."""
    page = requests.get(sandbox.url, timeout=30).text
    assert "Every price here is invented" in page
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", page)


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("plan", {"plan": "gold"}),
        ("plan", {"quota": "often"}),
        ("plan", {"colour": "red"}),
        ("faults", {"faults": "all:2"}),
        ("faults", {"latency": "1"}),
        ("faults", {"stall": "long"}),
    ],
)
def test_a_wrong_control_request_changes_nothing(sandbox, what, values):
    """Status 400 with the reason, and everything as it was."""
    before = sandbox.health(), requests.get(f"{sandbox.url}/sandbox/faults", timeout=30).json()
    with pytest.raises(urllib.error.HTTPError) as refused:
        sandbox.change(what, **values)
    with refused.value as reply:
        assert reply.code == 400
        assert "error" in reply.read().decode()
    assert before == (sandbox.health(), requests.get(f"{sandbox.url}/sandbox/faults", timeout=30).json())


def test_faults_are_mixed_while_it_runs(sandbox):
    """A mix that is set is met, what is not named stays, and an empty one ends it."""
    sandbox.change("faults", faults="http503:1", stall=3)
    assert get(sandbox).status_code == 503
    assert sandbox.change("faults", latency="0.001:0.002")["faults"] == "http503:1"
    assert sandbox.change("faults", faults="")["stall"] == 3
    assert get(sandbox).status_code == 200


def test_a_reset_starts_the_faults_over(sandbox):
    """A symbol that fails once fails once more after a reset."""
    for _ in range(2):
        assert [get(sandbox, "FAULT1-HTTP500").status_code for _ in range(3)] == [500, 200, 200]
        sandbox.change("reset")


def test_log_file_is_whole_after_sigterm(tmp_path):
    """Ended by SIGTERM during a silence, it exits with status 0 and every request stands in the file."""
    path = tmp_path / "calls.jsonl"
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--plan", "unlimited", "--log", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.fullmatch(r"sandbox: listening on http://127\.0\.0\.1:\d+ \(plan unlimited: unlimited\)\n", line)
        sandbox = RunningSandbox(line.split()[3])
        for number in range(20):
            get(sandbox, f"S{number}")
        with socket.create_connection(("127.0.0.1", int(sandbox.url.rpartition(":")[2]))) as silent:
            silent.sendall(b"GET /query?function=GLOBAL_QUOTE&symbol=FAULT-STALL&apikey=k HTTP/1.1\r\nHost: x\r\n\r\n")
            wait_until(lambda: len(sandbox.entries()) == 21, "the silence begins")
            process.send_signal(signal.SIGTERM)
            assert silent.recv(100) == b""
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")
    assert [entry.id for entry in read_log(path.read_text().splitlines())] == list(range(1, 22))
    assert KEY not in path.read_text()


def test_port_that_is_taken_is_named():
    """It ends with status 1 and one line that says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "sandbox", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr.startswith(f"sandbox: cannot listen on 127.0.0.1:{port}: Address already in use")
    assert done.stderr.endswith("Choose another --port, or 0 for a free one.\n")


def test_sandbox_that_cannot_start_is_told():
    """The helper for tests raises where the program ends at once."""
    with pytest.raises(RuntimeError, match="exit status 1"), running("--faults", "none:1"):
        pass
