"""Planning: from a mask and a layout to the tiles that are computed, by the cheapest exact strategy.

This package has the strategies that cover the allowed pairs of a mask by tiles, the cost of each, and the selection
between them. It computes no attention, and does not depend on models. README.md follows one batch through its stages.
"""

from finetune.attention.planning.errors import PlanError
from finetune.attention.planning.explain import Explanation, explain
from finetune.attention.planning.planner import plan
from finetune.attention.planning.strategies import KERNELS
from finetune.attention.planning.whole import plan_cls_only

__all__ = ["KERNELS", "Explanation", "PlanError", "explain", "plan", "plan_cls_only"]
