"""Replies that were refused, with the reason: kept for a person to see, and for a replay without a call."""

from common.quarantine.quarantine import Quarantine, QuarantinedReply

__all__ = ["Quarantine", "QuarantinedReply"]
