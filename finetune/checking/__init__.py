"""Looks before a run leaps: at the data as they are, at their lengths in tokens, and at what a step costs.

Here lives what `finetune check` finds and shows. What makes a run impossible is raised by the packages below, in the
words in which the run itself would say it; nothing here is needed to train.
"""

from finetune.checking.check import CheckReport, check_recipe
from finetune.checking.tables import print_report

__all__ = ["CheckReport", "check_recipe", "print_report"]
