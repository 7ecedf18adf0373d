"""What the provider said, kept for a while: written before it is judged, and read back for a replay without a call."""

from common.replies.raw_reply import RawReply
from common.replies.replies import KeptReply, Replies

__all__ = ["KeptReply", "RawReply", "Replies"]
