"""Pushing the model of a run, with its recipe, scores and card, as one commit on the Hub."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

from finetune.attention.standalone.adapters import ADAPTER_CONFIG
from finetune.checkpointing.completion import complete
from finetune.checkpointing.run_folder import RunFolder
from finetune.documents import read_json
from finetune.errors import UserError
from finetune.hub.account import Repository, check_access
from finetune.hub.card import RECIPE, write_card
from finetune.hub.errors import also, as_user_error
from finetune.hub.retry import retry
from finetune.hub.run_facts import RunFacts
from finetune.hub.sanitize import published, sanitized
from finetune.hub.usage import renamed
from finetune.progress import say

CARD = "README.md"
METRICS = "metrics.jsonl"
RESULTS = "results.json"
WEIGHTS = (".safetensors", ".safetensors.index.json")
"""Endings of files of an earlier push that are deleted if the new model has no such file."""
STATE = "state"
"""Name of the folder in a checkpoint from which training is resumed; it is not pushed."""
CODE = ("finetune_attention.py", "modeling_finetune_masks.py")

Operation = CommitOperationAdd | CommitOperationDelete


def push(run: Path, target: Repository) -> str:
    """Push the model of a finished run, and mark the run as complete.

    All files arrive in one commit, or none does. After a failure, pushing again sends only what has not arrived.

    Args:
        run: The run folder.
        target: The repository.

    Returns:
        Address of the repository's page.

    Raises:
        UserError: There is no finished run in the folder, or the Hub does not accept the model. Nothing is lost then,
            and the message says how to push again.
    """
    url = send(run, target)
    if not RunFolder(run).is_complete:
        complete(RunFolder(run), RunFacts.read(run).recipe.training)
    return url


def send(run: Path, target: Repository) -> str:
    """Push the model of a finished run without marking the run as complete.

    Args:
        run: The run folder.
        target: The repository.

    Returns:
        Address of the repository's page.

    Raises:
        UserError: There is no finished run in the folder, or the Hub does not accept the model.
    """
    facts = RunFacts.read(run)
    if not (facts.model / CARD).is_file():
        write_card(run)
    try:
        check_access(target)
        files = [*_additions(facts.model, target.name, facts.base_model), *_run_files(facts)]
        _commit(target, files, f"Push {run.parent.name} of {run.name}")
    except UserError as error:
        raise _nothing_lost(error, run, target) from error
    return target.url


def push_checkpoint(checkpoint: Path, target: Repository, title: str, base: str | None = None) -> None:
    """Push the model of a checkpoint as one commit.

    Args:
        checkpoint: The folder of the checkpoint.
        target: The repository.
        title: Title of the commit.
        base: Hub name of the model that the run started from; None if that is not a model of the Hub.

    Raises:
        UserError: The Hub does not accept the model.
    """
    _commit(target, list(_additions(checkpoint, target.name, base)), title)


def _additions(model: Path, name: str, base: str | None) -> Iterator[CommitOperationAdd]:
    """Yield the files of a model folder; the card and an adapter's configuration name models as the Hub does."""
    for path in sorted(model.rglob("*")):
        if path == model / RECIPE:  # pushed with the run's other files, also where an older run lacks it here
            continue
        if path.is_file() and not path.is_symlink() and STATE not in path.relative_to(model).parts:
            content: Path | bytes = path
            if path == model / CARD:
                content = renamed(path.read_text(encoding="utf-8"), name).encode()
            elif path == model / ADAPTER_CONFIG:
                content = _rebased(read_json(path), base)
            yield CommitOperationAdd(path.relative_to(model).as_posix(), content)


def _rebased(adapter: dict[str, Any], base: str | None) -> bytes:
    """Return the configuration of an adapter as JSON, with `base` as its base model.

    Without `base`, a folder of this machine is named by the last part of its path.
    """
    local = Path(str(adapter["base_model_name_or_path"]))
    if base is None and local.is_dir():
        say(
            f"warning: the adapter belongs to {local}, which is on this machine alone: others cannot load it; "
            "adapter.merge=true saves a model that stands alone"
        )
    named = base or (local.name if local.is_absolute() else str(local))
    return json.dumps(adapter | {"base_model_name_or_path": named}, indent=2, sort_keys=True).encode()


def _run_files(facts: RunFacts) -> Iterator[CommitOperationAdd]:
    """Yield the files of a run that are pushed with the model.

    Predictions, which contain data, and the environment are not pushed. Folders of this machine are not named.
    """
    results = facts.results | ({"changed": published(facts.changes).to_json()} if facts.changes.listed else {})
    yield CommitOperationAdd(RESULTS, (json.dumps(results, indent=2, ensure_ascii=False) + "\n").encode())
    if (facts.folder / METRICS).is_file():
        yield CommitOperationAdd(METRICS, facts.folder / METRICS)
    yield CommitOperationAdd(RECIPE, sanitized(facts.recipe).encode())


def _commit(target: Repository, additions: Sequence[CommitOperationAdd], title: str) -> None:
    api = HfApi()
    with as_user_error(target.name):
        there = retry(lambda: api.list_repo_files(target.name))
        new = {addition.path_in_repo for addition in additions}
        stale = [path for path in there if path.endswith(WEIGHTS + CODE) and path not in new]
        operations: list[Operation] = [*additions, *(CommitOperationDelete(path) for path in stale)]
        retry(lambda: api.create_commit(target.name, operations, commit_message=title))


def _nothing_lost(error: UserError, run: Path, target: Repository) -> UserError:
    again = f"finetune push {run} {target.name}" + (" --private" if target.private else "")
    return also(error, f"the trained model is not lost, it is in {run / 'model'}; then: {again}")
