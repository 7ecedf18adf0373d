"""What the exporter serves: metrics, and whether it lives and can read what it reads.

``/livez`` depends on nothing: who restarts the process goes by it. ``/readyz`` answers 503 and names what is away.
"""

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from monitoring.exporter import MetricsExporter


def application(exporter: MetricsExporter, *more: Route) -> Starlette:
    """Return the ASGI application over an exporter; ``more`` routes stand beside its own."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(exporter)

    async def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(await run_in_threadpool(encode, registry), headers={"content-type": content_type})

    async def livez(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_: Request) -> Response:
        readings = await run_in_threadpool(exporter.read)
        lines = [f"{reading.source}: {reading.problem or 'ready'}\n" for reading in readings]
        return PlainTextResponse("".join(lines), status_code=503 if any(each.problem for each in readings) else 200)

    return Starlette(
        routes=[Route("/metrics", metrics), Route("/livez", livez), Route("/readyz", readyz), *more],
    )
