"""Models saved while training: written aside, then renamed, so that none is ever half there."""

import shutil
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune.models.quiet import quiet


def save_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write model and tokenizer so that from_pretrained loads them; replaces what was there."""
    aside = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(aside, ignore_errors=True)
    with quiet():
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


def prune(folder: Path, keep: set[str]) -> None:
    """Delete the checkpoints in `folder` that are not to be kept."""
    for path in folder.iterdir():
        if path.name not in keep:
            shutil.rmtree(path)
