"""Looks before a run leaps: at the data as they are, at their lengths in tokens, and at what a step costs.

Here lives what `finetune check` finds and shows. What makes a run impossible is raised by the packages below, in the
words in which the run itself would say it; nothing here is needed to train.
"""

from finetune.checking.check import Report, check
from finetune.checking.tables import show

__all__ = ["Report", "check", "show"]
