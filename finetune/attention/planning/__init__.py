"""From a mask and a layout to the tiles that are computed, by the cheapest exact strategy; README.md draws an example.

Here live the strategies to cover a mask's pairs by tiles, what each costs, and the selection between them. Nothing here
computes attention, and nothing knows models.
"""

from finetune.attention.planning.errors import PlanError
from finetune.attention.planning.explain import Explanation, explain
from finetune.attention.planning.planner import plan
from finetune.attention.planning.strategies import KERNELS
from finetune.attention.planning.whole import plan_cls_only

__all__ = ["KERNELS", "Explanation", "PlanError", "explain", "plan", "plan_cls_only"]
