"""Fine-tunes pretrained BERT and T5 models under attention masks written as expressions.

    run = finetune.train("sentiment_sample", {"training.epochs": 1})
    run.scores, run.predict(["A fine film."])

Importing the package loads nothing heavy: each name below is imported from its module when it is first used.
"""

import importlib
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from finetune.drafting import Draft, draft_recipe
    from finetune.errors import Interrupted, UserError
    from finetune.library import (
        FinishedRun,
        LoadedModel,
        apply_masks,
        compare,
        draw_mask,
        evaluate,
        explain,
        load,
        open_run,
        train,
    )
    from finetune.recipe import Recipe
    from finetune.training.callbacks import STOP, Callback, TrainerState

__version__ = "0.1.0"

# transformers and datasets import tqdm, which gives this warning in notebooks where the package ipywidgets is not
# installed. The progress bars of finetune do not need that package.
warnings.filterwarnings("ignore", message="IProgress not found")

_MODULES = {
    "finetune.drafting": ("Draft", "draft_recipe"),
    "finetune.errors": ("Interrupted", "UserError"),
    "finetune.library": (
        "FinishedRun",
        "LoadedModel",
        "apply_masks",
        "compare",
        "draw_mask",
        "evaluate",
        "explain",
        "load",
        "open_run",
        "train",
    ),
    "finetune.recipe": ("Recipe",),
    "finetune.training.callbacks": ("STOP", "Callback", "TrainerState"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "STOP",
    "Callback",
    "Draft",
    "FinishedRun",
    "Interrupted",
    "LoadedModel",
    "Recipe",
    "TrainerState",
    "UserError",
    "apply_masks",
    "compare",
    "draft_recipe",
    "draw_mask",
    "evaluate",
    "explain",
    "load",
    "open_run",
    "train",
]

if not TYPE_CHECKING:  # a type checker would take every name for one that there is

    def __getattr__(name: str) -> Any:
        """Import a public name from its module (PEP 562)."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(_MODULE_OF[name]), name)
        globals()[name] = value  # the next use finds it at once
        return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
