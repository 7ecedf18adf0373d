"""What the page meets in Airflow: a frame with Airflow's sandbox in a page of the same origin, whose bar follows it.

It does what was measured of Airflow: its bar shows the address of the frame whenever the frame says that it loaded.
"""

from fastapi import FastAPI, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

#: As Airflow's page has it: no pop-ups, and no moving of the page around it.
_SANDBOX = "allow-scripts allow-same-origin allow-forms allow-downloads"
_BAR = """
const frame = document.querySelector("iframe");
frame.addEventListener("load", () => {
  const { pathname, search } = frame.contentWindow.location;
  history.replaceState(null, "", "/plugin/market" + pathname + search);
});
"""


def with_frame(framed: FastAPI, alone: FastAPI) -> FastAPI:
    """Return an app with the page below ``/market``, framed by ``/plugin/market/market/…``, and alone at ``/``."""
    app = FastAPI(openapi_url=None)

    @app.get("/plugin/market/{path:path}")
    def frame(request: Request, path: str) -> Response:
        source = f"/{path}?{request.url.query}"
        return HTMLResponse(
            f'<!doctype html><html class="dark" lang="de"><title>Airflow</title>'
            f'<link rel="icon" href="/market/static/icon.svg"><body>'
            f'<iframe src="{source}" sandbox="{_SANDBOX}" width="1200" height="700"></iframe><script>{_BAR}</script>'
        )

    @app.get("/api/v2/auth/login")
    def login(next: str) -> Response:  # noqa: A002  Airflow's name of it
        return PlainTextResponse(f"Log in, then back to {next}")

    @app.get("/favicon.ico")
    def icon() -> Response:
        """A browser asks for it wherever a page names no icon, sooner or later."""
        return Response(status_code=204)

    @app.get("/dags/{path:path}")
    def airflows_own(path: str) -> Response:
        return PlainTextResponse(f"Airflow's page of {path}")

    app.mount("/market", framed)
    app.mount("/", alone)
    return app
