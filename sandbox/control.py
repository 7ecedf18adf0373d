"""The control endpoints under ``/sandbox/``, for tests and for people, and the page at ``/``."""

import asyncio
from dataclasses import asdict
from datetime import date
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.faults import GROUPS, parse_mix
from sandbox.latency import parse_latency
from sandbox.plans import plan_named
from sandbox.quota_audit import judge
from sandbox.state import Sandbox
from sandbox.trading_days import NEW_YORK

#: Where a page of the log begins, and how many entries it holds at most.
_LOG_PAGE: Final = {"since": 0, "limit": 10_000}

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Alpha Vantage sandbox</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }}
code {{ background: #8882; padding: 0 .2em }}</style>
<h1>This is not Alpha Vantage</h1>
<p>It is a stand-in for its API. <strong>Every price here is invented</strong>, the same ones for the same seed. It
serves where there is no API key, and tests use it to see that a quota is kept.</p>
<p>Plan <code>{plan}</code>: <code>{quota}</code> for each key. Latest session: {latest_session}.</p>
<ul>
<li><a href="/query?function=GLOBAL_QUOTE&amp;symbol=IBM&amp;apikey=demo">A quote, with the demo key</a></li>
<li><a href="/sandbox/usage">Calls by key</a> · <a href="/sandbox/log">every call</a> ·
<a href="/sandbox/health">health</a></li>
</ul>
<p>How to provoke a refusal or a fault: <code>sandbox/README.md</code>.</p>
"""


class Control:
    """The endpoints of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def page(self, _: Request) -> Response:
        """Say to a person what this is."""
        return HTMLResponse(_PAGE.format(**health_of(self._sandbox)))

    async def health(self, _: Request) -> Response:
        """Say what is enforced."""
        return JSONResponse(health_of(self._sandbox))

    async def log(self, request: Request) -> Response:
        """Return a page of the log."""
        log = self._sandbox.request_log
        since, limit = (int(request.query_params.get(name) or default) for name, default in _LOG_PAGE.items())
        entries = log.since(since, min(limit, _LOG_PAGE["limit"]))
        last_id = entries[-1].id if entries else log.last_id
        rows = [entry._asdict() for entry in entries]
        return JSONResponse({"last_id": last_id, "dropped": log.dropped, "entries": rows})

    async def usage(self, _: Request) -> Response:
        """Judge what the log holds; in a thread, since a long log takes a while."""
        log = self._sandbox.request_log
        reports = await asyncio.to_thread(judge, log.since(), self._sandbox.provider.plan.windows)
        keys = {key: asdict(ruling) | {"within_quota": ruling.within_quota} for key, ruling in reports.items()}
        return JSONResponse(_plan_of(self._sandbox) | {"dropped": log.dropped, "keys": keys})

    async def plan(self, request: Request) -> Response:
        """Change the plan."""
        body = await _object(request, {"plan", "quota"})
        day_s = self._sandbox.options.day_length
        self._sandbox.provider.change_plan(plan_named(str(body.get("plan", "")), str(body.get("quota", "")), day_s))
        return JSONResponse(_plan_of(self._sandbox))

    async def faults(self, request: Request) -> Response:
        """Return, or change, what goes wrong."""
        if request.method == "POST":
            change_faults(self._sandbox, await _object(request, {"faults", "latency", "stall"}))
        return JSONResponse(_faults_of(self._sandbox))

    async def redirected(self, _: Request) -> Response:
        """Receive whoever followed the redirect."""
        return PlainTextResponse("A client followed a redirect; it must not: the key could travel with it.", 410)

    async def revoke(self, request: Request) -> Response:
        """Say which keys work no more."""
        body = await _object(request, {"keys"})
        self._sandbox.provider.revoked = frozenset(map(str, body.get("keys", ())))
        return JSONResponse({"revoked": len(self._sandbox.provider.revoked)})

    async def today(self, request: Request) -> Response:
        """Go on at another date, or at each exchange's own: sessions before it are known from now on."""
        text = str((await _object(request, {"today"})).get("today", ""))
        self._sandbox.provider.functions.change_today(date.fromisoformat(text) if text else None)
        return JSONResponse(health_of(self._sandbox))

    async def reset(self, _: Request) -> Response:
        """Forget all calls."""
        self._sandbox.reset()
        return JSONResponse({"status": "ok"})


def control_app(sandbox: Sandbox) -> Starlette:
    """Return the application for everything but ``/query``."""
    control = Control(sandbox)
    routes = [
        Route("/", control.page),
        Route("/sandbox/health", control.health),
        Route("/sandbox/log", control.log),
        Route("/sandbox/usage", control.usage),
        Route("/sandbox/faults", control.faults, methods=["GET", "POST"]),
        Route("/sandbox/redirected", control.redirected),
        Route("/sandbox/plan", control.plan, methods=["POST"]),
        Route("/sandbox/revoke", control.revoke, methods=["POST"]),
        Route("/sandbox/today", control.today, methods=["POST"]),
        Route("/sandbox/reset", control.reset, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={ValueError: _refuse})


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
    session = NEW_YORK.sessions[sandbox.provider.functions.latest()].isoformat()
    return {"status": "ok", "latest_session": session, "seed": sandbox.options.seed} | _plan_of(sandbox)


def _plan_of(sandbox: Sandbox) -> dict[str, object]:
    plan = sandbox.provider.plan
    return {"plan": plan.name, "quota": plan.quota, "refused_count": sandbox.provider.count_refused}


async def _object(request: Request, allowed: set[str]) -> dict[str, Any]:
    """Read a JSON object whose keys are all known. Raises ValueError."""
    body = await request.json()
    if not isinstance(body, dict) or not body.keys() <= allowed:
        raise ValueError(f"send a JSON object with {', '.join(sorted(allowed))} and nothing more.")
    return body
