"""Rows in PostgreSQL. The only user of psycopg2, together with the migrations that make its tables."""

from common.store.store import Store
from common.store.values import LastAttempt, QuarantinedReply, RecordedCall, StoreHealth

__all__ = ["LastAttempt", "QuarantinedReply", "RecordedCall", "Store", "StoreHealth"]
