"""`Recipe`: the one typed description of a run, a module for each of its sections.

Everything that a run depends on is a field of the recipe. The resolved recipe, which is stored in the run folder,
repeats the run. No heavy library is imported here, so that `--help`, `list` and `show` take less than a second.
"""

import warnings
from typing import Any

from finetune.recipe.adapter import Adapter
from finetune.recipe.attention import Attention, SiteSection
from finetune.recipe.base import Section, Share
from finetune.recipe.data import ColumnNames, Data, DataSource, MixtureSource, SplitNames
from finetune.recipe.evaluation import Evaluation
from finetune.recipe.head import SEQUENCE_HEAD, TEXT_HEAD, TOKEN_HEAD, ModelHead
from finetune.recipe.hub import Hub
from finetune.recipe.model import Model, Scratch
from finetune.recipe.recipe import Recipe, name_problem
from finetune.recipe.task import TextClassification, TextToText, TokenClassification, Translation
from finetune.recipe.task_registry import (
    AnyTaskSection,
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

__all__ = [
    "SEQUENCE_HEAD",
    "TEXT_HEAD",
    "TOKEN_HEAD",
    "Adapter",
    "AnyTaskSection",
    "Attention",
    "ColumnNames",
    "Data",
    "DataSource",
    "Evaluation",
    "Hub",
    "MixtureSource",
    "Model",
    "ModelHead",
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

_FORMER_NAMES = {"Columns": "ColumnNames", "Source": "MixtureSource", "Splits": "SplitNames"}
"""The present names of sections that recipes written before version 0.2 import by another name."""


def __getattr__(name: str) -> Any:
    if name not in _FORMER_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    present = _FORMER_NAMES[name]
    warnings.warn(f"finetune.recipe.{name} is now called {present}", DeprecationWarning, stacklevel=2)
    return globals()[present]
