"""One running sandbox: the provider, the log, and what tests change while it runs."""

import asyncio
import time
from dataclasses import replace

from sandbox.calls import Answer, Call
from sandbox.faults import FaultPicker, parse_mix, require_known
from sandbox.functions import Functions
from sandbox.latency import parse_latency
from sandbox.options import Options
from sandbox.payload_faults import PAYLOAD_FAULTS
from sandbox.provider import Provider
from sandbox.refusal_faults import REFUSALS, refusal
from sandbox.request_log import RequestLog
from sandbox.wire_faults import WIRE_FAULTS, Play


class Sandbox:
    """The pieces that the query and the control endpoints share. All of it lives in one event loop.

    Raises ValueError for options that make no sense.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        functions = Functions(options.seed, options.today)
        self.provider = Provider(functions, options.build_plan(), count_refused=options.refused == "counted")
        self.faults = FaultPicker(options.seed, parse_mix(options.faults))
        self.latency = parse_latency(options.latency, options.seed)
        self.stall_s = options.stall
        self.closing = asyncio.Event()
        self.request_log = RequestLog(options.log)

    def receive(self, call: Call, fault_header: str = "") -> tuple[Answer, Play | None]:
        """Answer and log a call; with the reply comes the fault that plays on its way, if any.

        Its arrival is this moment: read whole, and past the simulated way here. A call that is refused is refused
        undisturbed, so that every refusal which the log holds was also sent. Raises ValueError for an unknown fault.
        """
        if fault_header:
            require_known(fault_header)
        now, wall = time.monotonic(), time.time()
        reply = self.provider.answer(call, now)
        play = None
        if reply.counted and not reply.verdict.startswith("refused:"):
            reply, play = self._disturb(call, reply, fault_header)
        who = {"key": call.key, "function": call.function, "symbol": call.symbol}
        self.request_log.add(now, wall, **who, verdict=reply.verdict, counted=reply.counted)
        return reply, play

    def reset(self) -> None:
        """Forget all calls: the windows, the counts behind the faults, and the log in memory."""
        self.provider.forget()
        self.provider.functions.change_today(self.options.today)
        self.faults.forget()
        self.request_log.forget()

    def _disturb(self, call: Call, reply: Answer, header: str) -> tuple[Answer, Play | None]:
        if not (name := self.faults.pick(call, header)):
            return reply, None
        if name in REFUSALS:
            return refusal(name, call), None
        verdict = f"fault:{name}"
        if name in WIRE_FAULTS:
            return replace(reply, verdict=verdict), WIRE_FAULTS[name]
        return replace(reply, verdict=verdict, body=PAYLOAD_FAULTS[name](reply.document)), None
