"""Replies that were refused, with the reason: kept for a person to see, and for a replay without a call."""

from common.quarantine.quarantine import NOT_WHOLE, Filter, Quarantine, QuarantinedReply, Summary

__all__ = ["NOT_WHOLE", "Filter", "Quarantine", "QuarantinedReply", "Summary"]
