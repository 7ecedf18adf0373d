"""Where messages arrive in tests: a mail server and a webhook, both real, on free ports."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from local.ports import free_port

USER, PASSWORD = "mailer", "pw-of-the-mail-server"


class Inbox:
    """A mail server that takes one user's mail; ``mails`` has what came, ``refuses`` makes it say no, and
    it knows no ``unknown`` recipient.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.mails: list[Message] = []
        self.refuses = False
        self.unknown = ""

    async def handle_RCPT(  # noqa: N802  aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address == self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    @property
    def url(self) -> str:
        """Its address, for ALERT_URLS."""
        return f"mailto://{USER}:{PASSWORD}@127.0.0.1:{self.port}?from=a@example.com&to=b@example.com&mode=insecure"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's
        if self.refuses:
            return "451 not now"
        self.mails.append(message_from_bytes(envelope.original_content or b""))
        return "250 OK"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, how: str, data: object) -> AuthResult:
        wanted = LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=data == wanted)

    def texts(self) -> list[str]:
        """Return subject and text of each mail."""
        return [f"{mail['Subject']}\n{text_of(mail)}" for mail in self.mails]


def text_of(mail: Message) -> str:
    """Return the text of a mail that has one part, of plain text."""
    assert mail.get_content_type() == "text/plain"
    content = mail.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content.decode("utf-8").replace("\r\n", "\n")


@contextmanager
def running_inbox(port: int = 0) -> Iterator[Inbox]:
    """Run a mail server, on a free port unless one is given."""
    inbox = Inbox(port or free_port())
    controller = Controller(
        inbox,
        hostname="127.0.0.1",
        port=inbox.port,
        authenticator=inbox.authenticate,
        auth_require_tls=False,
        auth_required=True,
    )
    controller.start()
    try:
        yield inbox
    finally:
        controller.stop()


class Hook(ThreadingHTTPServer):
    """A webhook; ``posts`` has the documents that came, with their headers, ``status`` is what it answers.

    It keeps everybody waiting while ``answers`` is not set.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", free_port()), _Handler)
        self.posts: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.status = 200
        self.answers = threading.Event()
        self.answers.set()

    @property
    def url(self) -> str:
        """Its address, for ALERT_URLS, with a token in its path and one in a header."""
        return f"json://127.0.0.1:{self.server_port}/hooks/token-in-the-path?+Authorization=token-in-a-header"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status == 200:
            self.server.posts.append(json.loads(body))
            self.server.headers.append(dict(self.headers))
        self.server.answers.wait()
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's
        """Say nothing."""


@contextmanager
def running_hook() -> Iterator[Hook]:
    """Run a webhook on a free port."""
    with Hook() as hook:
        thread = threading.Thread(target=hook.serve_forever, daemon=True)
        thread.start()
        try:
            yield hook
        finally:
            hook.shutdown()
            thread.join()
