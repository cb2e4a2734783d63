"""Trained models as runs save them, to be spoilt, and what loading them for use answers."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from finetune import recipe
from finetune.attention.pretrained import apply_masks
from finetune.errors import UserError
from finetune.models import Head, adapt, load_model, save_weights

Kind = tuple[str, Head]
"""An architecture and a head."""
Tokenizers = dict[str, PreTrainedTokenizerFast]
Edit = Callable[[dict[str, Tensor]], dict[str, Tensor]]

KINDS: tuple[Kind, ...] = tuple(
    (architecture, head)
    for architecture in ("bert", "t5")
    for head in ("text_classification", "token_classification", "text_to_text")
)
LABELS = ("bad", "fair", "good")


def labels_of(kind: Kind) -> tuple[str, ...] | None:
    return None if kind[1] == "text_to_text" else LABELS


def save_trained(
    folder: Path,
    kind: Kind,
    base: Path,
    tokenizers: Tokenizers,
    masks: dict[str, Any] | None = None,
    adapter: str | None = None,
) -> Path:
    """Write a model of a kind over the pretrained body in `base`, as a run saves it."""
    architecture, head = kind
    tokenizer = tokenizers[architecture]
    model = load_model(recipe.Model(name=str(base)), head, tokenizer, labels=labels_of(kind), seed=0)
    if adapter is not None:
        model = adapt(model, recipe.Adapter.model_validate({"kind": adapter}), head, seed=0)
    if masks is not None:
        apply_masks(model, masks)
    save_weights(model, folder)
    tokenizer.save_pretrained(folder)
    return folder


def use(folder: Path, kind: Kind, tokenizers: Tokenizers) -> Any:
    """Load a model to answer."""
    architecture, head = kind
    model = recipe.Model(name=str(folder))
    return load_model(model, head, tokenizers[architecture], labels=labels_of(kind), seed=1, is_trained=True)


def refused(folder: Path, kind: Kind, tokenizers: Tokenizers) -> str:
    """The message with which a model is refused to answer."""
    with pytest.raises(UserError) as caught:
        use(folder, kind, tokenizers)
    return str(caught.value)


def edit_weights(folder: Path, edit: Edit) -> None:
    (path,) = folder.glob("*.safetensors")
    weights = {name: weight.clone() for name, weight in load_file(path).items()}
    save_file(edit(weights), path, metadata={"format": "pt"})


def without(*names: str) -> Edit:
    """Leave out the weights whose names contain any of these."""
    return lambda weights: {name: w for name, w in weights.items() if not any(part in name for part in names)}


def times(number: float, *names: str) -> Edit:
    """Multiply the weights of these names, or all."""
    return lambda weights: {name: w * number if not names or name in names else w for name, w in weights.items()}


def edit_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
