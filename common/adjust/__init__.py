"""Adjusted prices: arithmetic from bars as traded, splits and dividends. Only ``rebuild`` and ``adjustments`` know the
database.

A price from before a split or a dividend is comparable with today's once it is multiplied by a factor. Going back from
the newest session, the factor is multiplied

- by ``1 / f`` before a split that makes ``f`` shares of one: ``split_adjusted`` prices have only this;
- by ``1 - D / C`` before a dividend ``D``, where ``C`` is the last close before it, as traded: ``total_return`` prices
  have both. They are what is left of a price once the dividends are put back into the share.

That is the textbook's formula, which Yahoo describes with examples as its "adjusted close" and ascribes to the Center
for Research in Security Prices. CRSP's own daily return, ``(P * f + D) / P_before - 1``, says whose dividend it is when
a split falls on the same day: one for each share held the day before.

Volumes are divided by the split factor, and left alone by dividends.
"""

from common.adjust.factors import Adjustment, Segment, adjust
from common.adjust.findings import Finding
from common.adjust.provider_series import Disagreement, disagreements

__all__ = ["Adjustment", "Disagreement", "Finding", "Segment", "adjust", "disagreements"]
