"""From a mask and a layout to the rectangles that are computed: the choice of the cheapest exact way.

Here live the ways to cut a mask's pairs into rectangles, what each costs, and the choice between them. Nothing here
computes attention, and nothing knows models.
"""

from finetune.attention.planning.choice import plan
from finetune.attention.planning.errors import PlanError
from finetune.attention.planning.explain import Explanation, explain
from finetune.attention.planning.ways import KERNELS
from finetune.attention.planning.whole import first_queries

__all__ = ["KERNELS", "Explanation", "PlanError", "explain", "first_queries", "plan"]
