"""Quality: checks over what is stored, and what they found. They flag and never repair.

Each check is a file in ``checks/``: SQL over what changed, below a head that says what it means. Triggers note what
changes (``quality_pending``); ``Quality.check_changed`` runs all checks after a day's run, in steps of some hundred
symbols, and says what each check took: it is what a benchmark measures. ``FindingTable`` has what is open.
"""

from common.quality.check import Check, all_checks
from common.quality.finding_table import FindingFilter, FindingTable, Found, QualityFinding
from common.quality.quality import CheckCounts, Quality

__all__ = ["Check", "CheckCounts", "FindingFilter", "FindingTable", "Found", "Quality", "QualityFinding", "all_checks"]
