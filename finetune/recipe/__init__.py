"""`Recipe`: the one typed description of a run, a module for each of its sections.

Everything a run depends on is a field here; the resolved recipe, stored in the run folder, repeats it. Nothing heavy is
imported, so that `--help`, `list` and `show` answer at once.
"""

from finetune.recipe.adapter import Adapter
from finetune.recipe.attention import Attention, SiteSection
from finetune.recipe.data import Columns, Data, Origin, Source, Splits
from finetune.recipe.evaluation import Evaluation
from finetune.recipe.hub import Hub
from finetune.recipe.model import Model, Scratch
from finetune.recipe.section import Section, Share
from finetune.recipe.task import Task, TextClassification, TextToText, TokenClassification, Translation
from finetune.recipe.training import Training
from finetune.recipe.whole import Recipe, name_problem

__all__ = [
    "Adapter",
    "Attention",
    "Columns",
    "Data",
    "Evaluation",
    "Hub",
    "Model",
    "Origin",
    "Recipe",
    "Scratch",
    "Section",
    "Share",
    "SiteSection",
    "Source",
    "Splits",
    "Task",
    "TextClassification",
    "TextToText",
    "TokenClassification",
    "Training",
    "Translation",
    "name_problem",
]
