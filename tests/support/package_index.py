"""A private index of Python packages: HTTPS with a private authority, and a password."""

import base64
import hashlib
import ssl
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

USER = "build"


@dataclass
class PackageIndex:
    """Its address without credentials, and the paths that were asked for with and without them."""

    url: str
    granted: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)


@contextmanager
def running_index(address: str, certificate: Path, wheels: Path, password: str) -> Iterator[PackageIndex]:
    """Serve the wheels of a folder at ``address``; the certificate's folder holds server.pem and server.key."""
    expected = "Basic " + base64.b64encode(f"{USER}:{password}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != expected:
                index.denied.append(self.path)
                self.send_response(HTTPStatus.UNAUTHORIZED)
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            index.granted.append(self.path)
            body = _body(self.path, wheels)
            self.send_response(HTTPStatus.OK if body else HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", "text/html" if self.path.endswith("/") else "application/octet-stream")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815  the base class calls it so

        def log_message(self, *_: object) -> None:
            """Nothing: the test tells."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "server.pem", certificate / "server.key")
    with ThreadingHTTPServer((address, 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        index = PackageIndex(f"https://{address}:{server.server_port}/simple/")
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield index
        finally:
            server.shutdown()
            thread.join()


def _body(path: str, wheels: Path) -> bytes:
    """Return a project's page (PEP 503), or a wheel."""
    if path.endswith("/"):
        project = path.rstrip("/").rpartition("/")[2]
        names = [file.name for file in wheels.glob("*.whl") if file.name.partition("-")[0].lower() == project]
        return "".join(f'<a href="../../files/{name}">{name}</a>' for name in names).encode()
    file = wheels / Path(path).name
    return file.read_bytes() if file.exists() else b""


def make_wheel(folder: Path, name: str) -> str:
    """Write a wheel of one empty module into the folder; return its line of a lock file."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    wheel = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
