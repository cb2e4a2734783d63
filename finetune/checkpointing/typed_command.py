"""The command by which a user started this run, as it was typed, so that it can be repeated."""

import functools
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

TYPED = "FINETUNE_COMMAND"
"""The environment variable in which `scripts/run` says how it was called."""
_VARIABLES = ("ACCELERATE_USE_CPU", "CUDA_VISIBLE_DEVICES")
"""Environment variables that are typed in front of a launcher, and that say on what it runs."""
_LAUNCHERS = (("accelerate", "launch"), ("torchrun",), ("-m", "torch.distributed.run"), ("-m", "accelerate.commands"))
_RUN_SCRIPT = ("finetune", "run.py")


def typed_command() -> list[str] | None:
    """Return the words of the command that started this run, or None where that was another program.

    Under a launcher, which starts processes of its own, they are the words of the launcher's command. They are looked
    up once, and first when a run begins: after a Ctrl-C, the launcher has ended before this process.
    """
    words = _find()
    return None if words is None else list(words)


@functools.cache
def _find() -> tuple[str, ...] | None:
    if TYPED in os.environ:
        return tuple(shlex.split(os.environ[TYPED]))
    for words, environment in (_of_launcher(), (sys.orig_argv, {})):
        if _start_of_keys(words) is not None:
            return (*(f"{name}={environment[name]}" for name in _VARIABLES if name in environment), *_as_typed(words))
    return None


def with_key(words: Sequence[str], key: str, value: str) -> str:
    """Return a command with one key set, for a shell; words that set the key otherwise are left out."""
    kept = [word for word in words if not word.startswith(f"{key}=")]
    variables = [word for word in kept if word.partition("=")[0] in _VARIABLES]  # quoted, they would be a command
    rest = [*(word for word in kept if word not in variables), f"{key}={value}"]
    return " ".join([*variables, shlex.join(rest)])


def _of_launcher() -> tuple[list[str], Mapping[str, str]]:
    """Return the words and the environment of the launcher that started this process; no words without one."""
    try:
        parent = psutil.Process().parent()
        words = parent.cmdline() if parent is not None else []
        names = [Path(word).name for word in words]
        pairs = list(zip(names, [*names[1:], ""], strict=True))
        is_launcher = any(launcher in (pair, pair[:1]) for pair in pairs for launcher in _LAUNCHERS)
        return (words, parent.environ()) if parent is not None and is_launcher else ([], {})
    except psutil.Error:  # it has ended, or belongs to somebody else
        return [], {}


def _start_of_keys(words: Sequence[str]) -> int | None:
    """Return the place of the first `key=value` in a command that runs a recipe; None for other commands."""
    for place, word in enumerate(words):
        path = Path(word)
        if path.parts[-2:] == _RUN_SCRIPT or (path.name == "run.py" and path.resolve().parts[-2:] == _RUN_SCRIPT):
            return place + 1
        is_command = path.name == "finetune" or path.parts[-2:] == ("finetune", "__main__.py")
        if is_command and list(words[place + 1 : place + 2]) == ["run"]:
            return place + 2
    return None


def _as_typed(words: Sequence[str]) -> list[str]:
    """Return a command without what the shell and the system put in: the interpreter of a script, and full paths."""
    is_script = len(words) > 1 and not words[1].startswith("-") and not words[1].endswith(".py")
    first, *rest = words[1:] if is_script else words
    name = Path(first).name
    return [name if shutil.which(name) in (first, str(Path(first).resolve())) else first, *rest]
