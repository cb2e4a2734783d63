"""`finetune check`: checks of a recipe before its run, of the data, of lengths in tokens, and of time and memory.

Errors that make a run impossible are raised by the packages that a run uses, with the messages that the run itself
would show. Training does not depend on this package.
"""

from finetune.checking.check import CheckReport, check_recipe
from finetune.checking.tables import print_report

__all__ = ["CheckReport", "check_recipe", "print_report"]
