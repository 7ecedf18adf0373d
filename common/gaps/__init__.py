"""Gaps: sessions of an exchange, between a symbol's first bar and its newest, of which no bar is stored."""

from common.gaps.gap import Answers, Gap, Known, Look, State, follow
from common.gaps.gap_table import DueGap, GapTable
from common.gaps.shared import MissingSession, judge_sessions

__all__ = [
    "Answers",
    "DueGap",
    "Gap",
    "GapTable",
    "Known",
    "Look",
    "MissingSession",
    "State",
    "follow",
    "judge_sessions",
]
