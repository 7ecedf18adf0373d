"""The market database's schema, in numbered steps. ``common.migrate`` applies them."""

from pathlib import Path
from typing import Final

#: The newest step, by its file's name. A worker compares it with the database without loading Alembic.
HEAD: Final = max(path.name[:4] for path in (Path(__file__).parent / "versions").glob("[0-9]*.py"))
