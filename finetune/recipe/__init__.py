"""`Recipe`: the one typed description of a run, a module for each of its sections.

Everything a run depends on is a field here; the resolved recipe, stored in the run folder, repeats it. Nothing heavy is
imported, so that `--help`, `list` and `show` answer at once.
"""

from finetune.recipe.adapter import Adapter
from finetune.recipe.attention import Attention, SiteSection
from finetune.recipe.base import Section, Share
from finetune.recipe.data import ColumnNames, Data, DataSource, MixtureSource, SplitNames
from finetune.recipe.evaluation import Evaluation
from finetune.recipe.hub import Hub
from finetune.recipe.model import Model, Scratch
from finetune.recipe.recipe import Recipe, name_problem
from finetune.recipe.task import TaskSection, TextClassification, TextToText, TokenClassification, Translation
from finetune.recipe.training import Training

__all__ = [
    "Adapter",
    "Attention",
    "ColumnNames",
    "Data",
    "DataSource",
    "Evaluation",
    "Hub",
    "MixtureSource",
    "Model",
    "Recipe",
    "Scratch",
    "Section",
    "Share",
    "SiteSection",
    "SplitNames",
    "TaskSection",
    "TextClassification",
    "TextToText",
    "TokenClassification",
    "Training",
    "Translation",
    "name_problem",
]
