"""The market database's schema, in numbered steps. ``common.migrate`` applies them."""

from typing import Final

#: The newest step. A worker compares it with the database without loading Alembic.
HEAD: Final = "0013"
