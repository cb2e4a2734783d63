"""`accelerate launch finetune/run.py recipe=NAME key=value ...`: fine-tune, evaluate, save."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":  # as a script: import the package this file is part of, not the modules beside it
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from finetune import log
from finetune.compose import DEFAULT_RECIPE, compose
from finetune.errors import Interrupted, UserError
from finetune.recipe import Recipe


def run_recipe(recipe: Recipe) -> dict[str, float]:
    """Train and evaluate; everything is left in the run folder.

    A run that goes on and was ended after its evaluation is only published.

    Returns:
        The test results by name, the loss in nats a target included.

    Raises:
        UserError: Something in the recipe or the data is wrong.
        Interrupted: SIGTERM or Ctrl-C ended the run; it can go on.
    """
    from finetune.library import train_recipe

    return train_recipe(recipe, prints_scores=True).scores


def status(recipe: Recipe) -> int:
    """Run, and give the exit status: 143 after SIGTERM and 130 after Ctrl-C, told with the command that goes on.

    Raises:
        UserError: Something in the recipe or the data is wrong.
    """
    try:
        run_recipe(recipe)
    except Interrupted as interrupted:
        if os.environ.get("RANK", "0") == "0":  # one of several processes says it for all
            print(interrupted, file=sys.stderr)
        return interrupted.status
    except KeyboardInterrupt:
        print("ended at once; resume=auto goes on after the last checkpoint", file=sys.stderr)
        return 130
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command; gives the exit status: 2 for a user's mistake, told without a traceback."""
    log.to_console()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "-h" in words or "--help" in words:
        print(f"{__doc__}\n\nWithout recipe=, {DEFAULT_RECIPE} is run. `finetune list` shows the recipes.")
        return 0
    try:
        return status(compose(words, default=DEFAULT_RECIPE))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
