"""What a run does of its own accord: push its checkpoints, write its model card, push its model."""

from functools import partial
from pathlib import Path

from finetune.errors import UserError
from finetune.hub.account import Target, check_access
from finetune.hub.card import write_card
from finetune.hub.push import push, push_checkpoint
from finetune.hub.troubles import also
from finetune.recipe import Recipe
from finetune.training import Job
from finetune.training.progress import say
from finetune.training.state import State


def get_ready(job: Job) -> None:
    """Make sure, before anything is trained, that the run can be pushed where its recipe says; nothing if nowhere.

    Raises:
        UserError: It cannot.
    """
    target = _target(job.recipe)
    if target is None or not job.accelerator.is_main_process:
        return
    try:
        check_access(target)
    except UserError as error:
        later = "or train without (hub.push=null), and `finetune push` afterwards"
        raise also(error, later) from error
    if job.recipe.hub.every_checkpoint:
        job.on_checkpoint = partial(_push_checkpoint, target)


def publish(job: Job) -> None:
    """Write a finished run's model card, and push the run where its recipe says so.

    Raises:
        UserError: It cannot be pushed; nothing is lost.
    """
    if not job.accelerator.is_main_process:
        return
    write_card(job.folder.path)
    if target := _target(job.recipe):
        say(f"pushed: {push(job.folder.path, target)}")


def _target(recipe: Recipe) -> Target | None:
    return Target(recipe.hub.push, recipe.hub.private) if recipe.hub.push else None


def _push_checkpoint(target: Target, checkpoint: Path, state: State) -> None:
    """Training goes on where this fails: the next checkpoint, or the model at the end, goes the same way."""
    scores = ", ".join(f"{name} {value:.4f}" for name, value in state.dev.items())
    try:
        push_checkpoint(checkpoint, target, f"Step {state.step} in training: dev {scores}")
    except UserError as error:
        say(f"warning: the checkpoint of step {state.step} is not pushed: {error}")
