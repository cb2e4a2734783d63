"""finetune in a program or a notebook: what `import finetune` offers, of which the command line is a thin skin.

Here lives what takes Python objects (recipes, data, masks, texts) and gives Python objects back (a finished run with
its scores, predictions and model). Mistakes of the user's are raised as `UserError`; nothing here prints results or
ends the process.
"""

from finetune.library.finished import FinishedRun, open_run
from finetune.library.loaded import LoadedModel, load
from finetune.library.looking import draw_mask, explain
from finetune.library.masks import apply_masks
from finetune.library.training import train, train_recipe

__all__ = [
    "FinishedRun",
    "LoadedModel",
    "apply_masks",
    "draw_mask",
    "explain",
    "load",
    "open_run",
    "train",
    "train_recipe",
]
