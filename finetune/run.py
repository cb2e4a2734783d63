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
    """Train and evaluate as a recipe says, and write everything into the run folder.

    If the run to resume ended after its evaluation, it is only published.

    Returns:
        The scores of the test split by name, with `loss` in nats per target.

    Raises:
        UserError: Something in the recipe or the data is wrong.
        Interrupted: SIGTERM or Ctrl-C ended the run; it can be resumed.
    """
    from finetune.library import train_recipe

    return train_recipe(recipe, prints_scores=True).scores


def status(recipe: Recipe) -> int:
    """Run a recipe and return the exit status: 0, 143 after SIGTERM, or 130 after Ctrl-C.

    After a signal, the command that resumes the run is printed on standard error.

    Raises:
        UserError: Something in the recipe or the data is wrong.
    """
    from finetune.tasks.preflight import check_early

    check_early(recipe)
    from finetune.checkpointing.typed_command import typed_command, with_key

    typed = typed_command() or ["finetune", "run", f"recipe={recipe.name}"]
    try:
        run_recipe(recipe)
    except Interrupted as interrupted:
        if os.environ.get("RANK", "0") == "0":  # one of several processes prints it
            print(interrupted, file=sys.stderr)
        return interrupted.status
    except KeyboardInterrupt:
        again = with_key(typed, "resume", "auto")
        print(f"ended at once; to resume from the last checkpoint:\n  {again}", file=sys.stderr)
        return 130
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command and return the exit status; it is 2 for a mistake of the user, without a traceback.

    Args:
        arguments: Overrides `key=value`, with `recipe=NAME`; None reads them from the command line.
    """
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
