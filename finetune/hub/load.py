"""`load_trained`: a published model, or a run's own, with its tokenizer and its masks."""

from pathlib import Path
from typing import NamedTuple

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

from finetune import models
from finetune.attention import Program
from finetune.attention.pretrained import apply_saved_masks, saved_masks
from finetune.errors import UserError
from finetune.hub_access import hub_access
from finetune.models.broken import one_message
from finetune.models.stored_config import read_config
from finetune.recipe import Model, ModelHead, head_of_class, heads


class LoadedModel(NamedTuple):
    """A model in evaluation mode, under its masks."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    masks: Program


def load_trained(name: str | Path, *, revision: str = "main", cache_dir: Path | None = None) -> LoadedModel:
    """Load a model that finetune saved, under the masks that it was trained with.

    Code that comes with the model is not run: the masks are read from its configuration. Weights are read in the
    safetensors format alone, into float32 on the CPU.

    Args:
        name: A Hub name, a model's folder, or the folder of a run.
        revision: Branch, tag or commit on the Hub.
        cache_dir: Where downloads are kept; the Hub's own cache if not given.

    Raises:
        UserError: There is no such model, it was made for no task that is known here, or it cannot take its masks.
    """
    if (Path(name) / "model" / "config.json").is_file():
        name = Path(name) / "model"
    with one_message(str(name)):
        return _load(Model(name=str(name), revision=revision, cache_dir=cache_dir), str(name))


def _load(source: Model, name: str) -> LoadedModel:
    with hub_access("model", name, "name"):
        config = read_config(name, revision=source.revision, cache_dir=source.cache_dir)
    head = _head(config.architectures, name)
    tokenizer = models.load_tokenizer(source, lambda: ())
    labels = _labels(config) if head.has_labels else None
    model = models.load_model(source, head.name, tokenizer, labels=labels, seed=0, is_trained=True)
    try:
        saved = saved_masks(config)
        return LoadedModel(apply_saved_masks(model), tokenizer, saved[0] if saved else Program())
    except ValueError as error:
        raise UserError(f"the model cannot be put under its masks: {error}", where=name) from error


def _labels(config: PreTrainedConfig) -> tuple[str, ...]:
    return tuple(str(label) for _, label in sorted((config.id2label or {}).items()))


def _head(architectures: list[str] | None, name: str) -> ModelHead:
    for architecture in architectures or ():
        if (head := head_of_class(architecture)) is not None:
            return head
    raise UserError(
        f"the model {name} was trained for no task that is known here",
        expected="a model that finetune saved: a class that ends in "
        + ", ".join(end for head in heads().values() for end in head.architectures),
        found=", ".join(architectures or ()) or "no architecture in its config.json",
        fix="fine-tune it first (model.name=...)",
    )
