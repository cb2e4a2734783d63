"""`Recipe`: the one typed description of a run, a module for each of its sections.

Everything a run depends on is a field here; the resolved recipe, stored in the run folder, repeats it. Nothing heavy is
imported, so that `--help`, `list` and `show` answer at once.
"""

from finetune.recipe.adapter import Adapter
from finetune.recipe.attention import Attention, SiteSection
from finetune.recipe.data import Columns, Data, Origin, Source, Splits
from finetune.recipe.evaluation import Evaluation
from finetune.recipe.head import SEQUENCE_HEAD, TEXT_HEAD, TOKEN_HEAD, ModelHead
from finetune.recipe.hub import Hub
from finetune.recipe.model import Model, Scratch
from finetune.recipe.section import Section, Share
from finetune.recipe.task import TextClassification, TextToText, TokenClassification, Translation
from finetune.recipe.task_registry import (
    Task,
    TaskSection,
    find_head,
    find_task,
    head_of_class,
    heads,
    register_task,
    task_kinds,
    task_sections,
    unregister_task,
)
from finetune.recipe.training import Training
from finetune.recipe.whole import Recipe, name_problem

__all__ = [
    "SEQUENCE_HEAD",
    "TEXT_HEAD",
    "TOKEN_HEAD",
    "Adapter",
    "Attention",
    "Columns",
    "Data",
    "Evaluation",
    "Hub",
    "Model",
    "ModelHead",
    "Origin",
    "Recipe",
    "Scratch",
    "Section",
    "Share",
    "SiteSection",
    "Source",
    "Splits",
    "Task",
    "TaskSection",
    "TextClassification",
    "TextToText",
    "TokenClassification",
    "Training",
    "Translation",
    "find_head",
    "find_task",
    "head_of_class",
    "heads",
    "name_problem",
    "register_task",
    "task_kinds",
    "task_sections",
    "unregister_task",
]
