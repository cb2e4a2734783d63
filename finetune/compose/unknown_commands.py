"""Commands that the command line does not have: what is meant by them."""

import shlex
from collections.abc import Sequence

from finetune.compose.finding import recipe_names
from finetune.compose.other_tools import COMMANDS
from finetune.compose.recipe_keys import key_exists
from finetune.errors import UserError, nearest


def unknown_command(words: Sequence[str], known: Sequence[str]) -> UserError:
    """Return the error for a command that there is not.

    Args:
        words: What follows `finetune` on the command line; the first word is taken for the command.
        known: The commands that there are.
    """
    name, rest = words[0], shlex.join(words[1:])
    expected = f"one of {', '.join(known)}"
    if "=" in name:
        fix = f"finetune run {shlex.join(words)}"
        return UserError("no command is named", expected=f"{expected}, and then keys", found=name, fix=fix)
    meant = COMMANDS.get(name.lower().replace("_", "-"))
    if meant is None and (name in recipe_names() or name.endswith((".py", ".yaml", ".yml"))):
        meant, rest = "run", f"recipe={name} {rest}"
    elif meant is None and key_exists(name):
        meant, rest = "help", name
    if meant is None and (near := nearest(name, known)):
        fix = f"did you mean finetune {near}?"
    else:
        fix = f"finetune {meant} {rest}".strip() if meant else "finetune --help says what each command does"
    return UserError(f"there is no command {name!r}", expected=expected, fix=fix)
