"""Quality: checks over what is stored, and what they found. They flag and never repair.

``Quality.findings`` has what is open, acknowledged and resolved.
"""

from common.quality.finding_table import FindingFilter, FindingTable, Found, QualityFinding

__all__ = ["FindingFilter", "FindingTable", "Found", "QualityFinding"]
