"""The public door: what a pipeline's own code imports, and nothing else.

::

    from penstock import Contract, Day, Split, Transform, check_transform
"""

from __future__ import annotations

from processor.check_transform import check_transform
from processor.transform import Contract, Day, Merge, Split, Transform

__all__ = ["Contract", "Day", "Merge", "Split", "Transform", "check_transform"]
