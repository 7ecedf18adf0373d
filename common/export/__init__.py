"""Tables and views as files: CSV and Parquet, read in one snapshot, whole or not there, with a manifest beside each."""

from common.export.exporter import Exporter
from common.export.manifest import Manifest
from common.export.relation import Selection

__all__ = ["Exporter", "Manifest", "Selection"]
