"""What a run does of its own accord: push its checkpoints, write its model card, push its model."""

from finetune.errors import UserError
from finetune.hub.account import Target, check_access
from finetune.hub.card import write_card
from finetune.hub.checkpoints import Checkpoints
from finetune.hub.push import push
from finetune.hub.run_facts import base_model
from finetune.hub.troubles import also
from finetune.recipe import Recipe
from finetune.training import Job
from finetune.training.progress import say


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
        job.on_checkpoint = Checkpoints(target, job.folder.path, base_model(job.recipe.model))


def publish(job: Job) -> None:
    """Write a finished run's model card, and push the run where its recipe says so.

    Raises:
        UserError: It cannot be pushed; nothing is lost.
    """
    if not job.accelerator.is_main_process:
        return
    write_card(job.folder.path)
    if isinstance(job.on_checkpoint, Checkpoints):
        job.on_checkpoint.finish()
    if target := _target(job.recipe):
        say(f"pushed: {push(job.folder.path, target)}")


def _target(recipe: Recipe) -> Target | None:
    return Target(recipe.hub.push, recipe.hub.private) if recipe.hub.push else None
