"""The store: rows and their ledger lines in one transaction, the newest rows, and retention."""

from common.store.store import Store, StoreHealth

__all__ = ["Store", "StoreHealth"]
