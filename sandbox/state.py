"""One running sandbox: the vendor, the log, and what tests change while it runs."""

import time

from sandbox.journal import Journal
from sandbox.options import Options
from sandbox.vendor import Call, Reply, Vendor


class Sandbox:
    """The pieces that the query and the control endpoints share. All of it lives in one event loop."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.vendor = Vendor(
            seed=options.seed,
            plan=options.build_plan(),
            count_refused=options.refused == "counted",
            today=options.today,
        )
        self.journal = Journal(options.log)

    def receive(self, call: Call) -> Reply:
        """Answer and log a call. Its arrival is this moment: read whole, and past the simulated way here."""
        now = time.monotonic()
        reply = self.vendor.answer(call, now)
        self.journal.add(now, call.key, call.function, call.symbol, reply.verdict, counted=reply.counted)
        return reply

    def reset(self) -> None:
        """Forget all calls: the windows and the log in memory."""
        self.vendor.forget()
        self.journal.forget()
