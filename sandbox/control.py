"""The control endpoints under ``/sandbox/``, for tests and for people, and the page at ``/``."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.faults import GROUPS, parse_mix
from sandbox.judge import judge
from sandbox.latency import parse_latency
from sandbox.plans import plan_named
from sandbox.state import Sandbox
from sandbox.trading_days import sessions

Endpoint = Callable[[Request], Awaitable[Response]]

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Alpha Vantage sandbox</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }}
code {{ background: #8882; padding: 0 .2em }}</style>
<h1>This is not Alpha Vantage</h1>
<p>It is a stand-in for its API. <strong>Every price here is invented</strong>, the same ones for the same seed. It
serves where there is no API key, and tests use it to see that a quota is kept.</p>
<p>Plan <code>{plan}</code>: <code>{quota}</code> for each key. Latest session: {session}.</p>
<ul>
<li><a href="/query?function=GLOBAL_QUOTE&amp;symbol=IBM&amp;apikey=demo">A quote, with the demo key</a></li>
<li><a href="/sandbox/usage">Calls by key</a> · <a href="/sandbox/log">every call</a> ·
<a href="/sandbox/health">health</a></li>
</ul>
<p>How to provoke a refusal or a fault: <code>sandbox/README.md</code>.</p>
"""


def control_app(sandbox: Sandbox) -> Starlette:
    """Return the application for everything but ``/query``."""

    async def page(_: Request) -> Response:
        facts = health_of(sandbox)
        return HTMLResponse(_PAGE.format(plan=facts["plan"], quota=facts["quota"], session=facts["latest_session"]))

    async def health(_: Request) -> Response:
        return JSONResponse(health_of(sandbox))

    async def log(request: Request) -> Response:
        since, limit = (_whole_number(request, name) for name in ("since", "limit"))
        entries = sandbox.journal.since(since or 0, limit)
        last_id = entries[-1].id if entries else sandbox.journal.last_id
        found = {"last_id": last_id, "dropped": sandbox.journal.dropped, "entries": [asdict(e) for e in entries]}
        return JSONResponse(found)

    async def usage(_: Request) -> Response:
        rulings = await asyncio.to_thread(judge, sandbox.journal.since(), sandbox.vendor.plan.windows)
        keys = {key: asdict(ruling) | {"within_quota": ruling.within_quota} for key, ruling in rulings.items()}
        return JSONResponse(_plan_of(sandbox) | {"dropped": sandbox.journal.dropped, "keys": keys})

    async def plan(request: Request) -> Response:
        body = await _object(request, {"plan", "quota"})
        new = plan_named(str(body.get("plan", "")), str(body.get("quota", "")), sandbox.options.day_length)
        sandbox.vendor.change_plan(new)
        return JSONResponse(_plan_of(sandbox))

    async def faults(request: Request) -> Response:
        if request.method == "POST":
            body = await _object(request, {"faults", "latency", "stall"})
            change_faults(sandbox, body)
        return JSONResponse(_faults_of(sandbox))

    async def redirected(_: Request) -> Response:
        return PlainTextResponse("A client followed a redirect; it must not: the key would travel with it.", 410)

    async def revoke(request: Request) -> Response:
        body = await _object(request, {"keys"})
        sandbox.vendor.revoked = frozenset(map(str, body.get("keys", ())))
        return JSONResponse({"revoked": len(sandbox.vendor.revoked)})

    async def reset(_: Request) -> Response:
        sandbox.reset()
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/", page),
            Route("/sandbox/health", health),
            Route("/sandbox/log", log),
            Route("/sandbox/usage", usage),
            Route("/sandbox/faults", faults, methods=["GET", "POST"]),
            Route("/sandbox/redirected", redirected),
            Route("/sandbox/plan", plan, methods=["POST"]),
            Route("/sandbox/revoke", revoke, methods=["POST"]),
            Route("/sandbox/reset", reset, methods=["POST"]),
        ],
        exception_handlers={ValueError: _refuse},
    )


def change_faults(sandbox: Sandbox, body: dict[str, Any]) -> None:
    """Change what ``body`` names and leave the rest. Raises ValueError, having changed nothing."""
    mix = parse_mix(str(body.get("faults", sandbox.faults.mix.text)))
    latency = sandbox.latency
    if "latency" in body:
        latency = parse_latency(str(body["latency"]), sandbox.options.seed)
    stall_s = float(str(body.get("stall", sandbox.stall_s)))
    sandbox.faults.mix, sandbox.latency, sandbox.stall_s = mix, latency, stall_s


def _faults_of(sandbox: Sandbox) -> dict[str, object]:
    now = {"faults": sandbox.faults.mix.text, "latency": str(sandbox.latency or ""), "stall": sandbox.stall_s}
    return now | {"groups": GROUPS}


async def _refuse(_: Request, problem: Exception) -> Response:
    return JSONResponse({"error": str(problem)}, status_code=400)


def health_of(sandbox: Sandbox) -> dict[str, object]:
    """Return what the health endpoint says."""
    session = sessions()[sandbox.vendor.functions.latest()].isoformat()
    return {"status": "ok", "latest_session": session, "seed": sandbox.options.seed} | _plan_of(sandbox)


def _plan_of(sandbox: Sandbox) -> dict[str, object]:
    plan = sandbox.vendor.plan
    return {"plan": plan.name, "quota": plan.quota, "refused_count": sandbox.vendor.count_refused}


def _whole_number(request: Request, name: str) -> int | None:
    text = request.query_params.get(name, "")
    return int(text) if text else None


async def _object(request: Request, allowed: set[str]) -> dict[str, Any]:
    """Read a JSON object whose keys are all known. Raises ValueError."""
    body = await request.json()
    if not isinstance(body, dict) or not body.keys() <= allowed:
        raise ValueError(f"send a JSON object with {', '.join(sorted(allowed))} and nothing more.")
    return body
