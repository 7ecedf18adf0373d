"""An HTTP proxy that remembers what it was asked for and refuses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Proxy:
    """Where it listens, and the hosts that it was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def running_proxy(address: str) -> Iterator[Proxy]:
    """Listen at ``address`` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            proxy.asked.append(self.path)  # host:port of a CONNECT, else a whole URL
            self.send_error(HTTPStatus.BAD_GATEWAY)

        do_CONNECT = do_GET = do_POST = do_PUT = do_PATCH = do_HEAD = refuse  # noqa: N815  the base class calls them so

        def log_message(self, *_: object) -> None:
            """Nothing: the test tells."""

    with ThreadingHTTPServer((address, 0), Handler) as server:
        proxy = Proxy(f"http://{address}:{server.server_port}")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()
