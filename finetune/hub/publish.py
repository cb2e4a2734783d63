"""What a run does of its own accord: push its checkpoints, write its model card, push its model."""

from accelerate import PartialState

from finetune.checkpointing.completion import complete
from finetune.checkpointing.run_folder import RunFolder
from finetune.errors import UserError
from finetune.hub.account import Repository, check_access
from finetune.hub.card import write_card
from finetune.hub.checkpoints import CheckpointUploader
from finetune.hub.errors import also
from finetune.hub.push import send
from finetune.hub.run_facts import base_model
from finetune.progress import say
from finetune.recipe import Recipe
from finetune.training import Run, Start


def get_ready(run: Run) -> None:
    """Make sure, before anything is trained, that the run can be pushed where its recipe says; nothing if nowhere.

    Raises:
        UserError: It cannot.
    """
    target = _target(run.recipe)
    if target is None or not run.accelerator.is_main_process:
        return
    try:
        check_access(target)
    except UserError as error:
        later = "or train without (hub.push=null), and `finetune push` afterwards"
        raise also(error, later) from error
    if run.recipe.hub.every_checkpoint:
        run.on_checkpoint = CheckpointUploader(target, run.folder.path, base_model(run.recipe.model))


def publish(run: Run) -> None:
    """Write a finished run's model card, and push the run where its recipe says so.

    Raises:
        UserError: It cannot be pushed; nothing is lost.
    """
    if not run.accelerator.is_main_process:
        return
    write_card(run.folder.path)
    if isinstance(run.on_checkpoint, CheckpointUploader):
        run.on_checkpoint.finish()
    _push(run.folder, run.recipe)


def publish_finished(start: Start) -> dict[str, float]:
    """Publish a run that was ended between its evaluation and its push; called by all processes.

    Args:
        start: The finished run.

    Returns:
        Its test results by name.

    Raises:
        UserError: The run's files cannot be read, or it cannot be pushed; nothing is lost.
    """
    assert start.folder is not None
    processes = PartialState()
    is_main = processes.is_main_process
    processes.destroy_process_group()
    scores = start.folder.test_scores()
    if is_main:
        say(f"trained and scored before; the card is written now, and the model pushed if asked: {start.folder.path}")
        write_card(start.folder.path)
        _push(start.folder, start.recipe)
    return scores


def _push(folder: RunFolder, recipe: Recipe) -> None:
    if target := _target(recipe):
        say(f"pushed: {send(folder.path, target)}")
    complete(folder, recipe.training)


def _target(recipe: Recipe) -> Repository | None:
    return Repository(recipe.hub.push, recipe.hub.private) if recipe.hub.push else None
