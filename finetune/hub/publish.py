"""Publishing that a recipe requests: pushing checkpoints, writing the model card, pushing the model."""

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
    """Check before training that the run can be pushed to the repository that its recipe names, if it names one.

    Raises:
        UserError: The run cannot be pushed there.
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
    """Write the model card of a finished run, and push the run if its recipe says so.

    Raises:
        UserError: The run cannot be pushed; nothing of it is lost.
    """
    if not run.accelerator.is_main_process:
        return
    write_card(run.folder.path)
    if isinstance(run.on_checkpoint, CheckpointUploader):
        run.on_checkpoint.finish()
    _push(run.folder, run.recipe)


def publish_finished(start: Start) -> dict[str, float]:
    """Publish a run that ended between its evaluation and its push; called by all processes.

    Args:
        start: The finished run, as `find_start` returned it.

    Returns:
        The scores of the test split by name.

    Raises:
        UserError: A file of the run cannot be read, or the run cannot be pushed; nothing of it is lost.
    """
    assert start.folder is not None
    processes = PartialState()
    is_main = processes.is_main_process
    processes.destroy_process_group()
    scores = start.folder.test_scores()
    if is_main:
        say(
            f"trained and evaluated before; now the card is written, and the model pushed if asked: {start.folder.path}"
        )
        write_card(start.folder.path)
        _push(start.folder, start.recipe)
    return scores


def _push(folder: RunFolder, recipe: Recipe) -> None:
    if target := _target(recipe):
        say(f"pushed: {send(folder.path, target)}")
    complete(folder, recipe.training)


def _target(recipe: Recipe) -> Repository | None:
    return Repository(recipe.hub.push, recipe.hub.private) if recipe.hub.push else None
