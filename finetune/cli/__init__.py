"""The `finetune` command.

Each command parses its arguments and calls one function of a package; what a command does lives there and not here. The
modules of this package hold the commands by subject, and `app` what they share.
"""

import os
import sys

from finetune import log
from finetune.cli import attention, predict, recipes, runs
from finetune.cli.app import app
from finetune.completion import SHELL_VARIABLE, answer_bash
from finetune.errors import UserError

__all__ = ["app", "attention", "main", "predict", "recipes", "runs"]


def main() -> None:
    """Run the command; after a mistake of the user, print it without a traceback and exit with status 2."""
    log.to_console()
    try:
        if os.environ.get(SHELL_VARIABLE) == "complete_bash":
            answer_bash(app)
        else:
            app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
