"""Making sure that a checkpoint holds the weights that a model needs: for training its body, for use all of them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from finetune.errors import UserError
from finetune.models.families import Head
from finetune.models.heads import head_names
from finetune.models.source import PretrainedSource

OPTIONAL = re.compile(r"(^|\.)(pooler|crossattention)\.")
"""Parts of the body that a checkpoint may lack before training: some encoders were pretrained without a pooler, none
with cross-attention."""
NUMBERED = re.compile(r"(^|\.)(layer|layers|block|albert_layer_groups)\.\d+\.")
"""A weight of one of a stack's layers."""

SHOWN = 5
"""Names of weights in a message."""


@dataclass(frozen=True)
class LoadingResult:
    """A model, and how its checkpoint differs from its architecture.

    Args:
        model: The model.
        missing: Names of weights that the checkpoint lacks, which the model has at random; of weights that are tied,
            the one that the others are tied to.
        mismatched: Names of weights that the checkpoint holds in another shape, with both shapes in words; the model
            has them at random, too.
        unexpected: Names of weights that the checkpoint holds and the model has no place for.
    """

    model: PreTrainedModel
    missing: frozenset[str]
    mismatched: Mapping[str, str]
    unexpected: frozenset[str]


def check_body(loaded: LoadingResult, source: PretrainedSource) -> None:
    """Refuse a checkpoint that leaves a part of the pretrained body at random.

    Raises:
        UserError: Weights of the body are missing or of another shape.
    """
    head = head_names(loaded.model)
    absent = sorted(name for name in loaded.missing - head if not OPTIONAL.search(name))
    if absent:
        raise bad_weights(source, "are incomplete", f"nothing for {some(absent)}", _correct(source))
    _check_shapes({name: shape for name, shape in loaded.mismatched.items() if name not in head}, source)


def check_trained(loaded: LoadingResult, head: Head, source: PretrainedSource, *, replaced: Iterable[str] = ()) -> None:
    """Refuse a checkpoint that does not give every weight of a model that is to answer, as finite numbers.

    Args:
        loaded: The model.
        head: What is on top.
        source: Where the checkpoint is.
        replaced: Names of modules whose weights come from an adapter, so that the checkpoint may lack them.

    Raises:
        UserError: Weights are missing, of another shape, not finite, or of layers that the configuration does not name.
    """
    inside = tuple(f"{name}." for name in replaced)
    absent = sorted(name for name in loaded.missing if not name.startswith(inside))
    if absent:
        raise _untrained(loaded, absent, head, source)
    _check_shapes({name: shape for name, shape in loaded.mismatched.items() if not name.startswith(inside)}, source)
    beyond = sorted(name for name in loaded.unexpected if NUMBERED.search(name))
    if beyond:
        raise bad_weights(
            source,
            "do not fit its configuration",
            f"weights that the configuration has no place for: {some(beyond)}",
            _correct(source),
        )
    check_finite(loaded.model.state_dict(), source)


def check_finite(weights: Mapping[str, Tensor], source: PretrainedSource) -> None:
    """Refuse weights that hold NaN or infinity.

    Raises:
        UserError: Some do.
    """
    damaged = [name for name, weight in weights.items() if weight.is_floating_point() and not _is_finite(weight)]
    if damaged:
        raise bad_weights(
            source,
            "are not numbers",
            f"NaN or infinity in {some(damaged)}",
            "use an earlier checkpoint, or train again with a smaller training.learning_rate",
        )


def check_labels(stored: Mapping[Any, str], labels: Sequence[str], source: PretrainedSource) -> None:
    """Refuse a trained head of other labels than those that it is to answer with.

    Args:
        stored: The labels by the rows of the head, as the checkpoint's configuration names them.
        labels: Those to answer with, in order.
        source: Where the checkpoint is.

    Raises:
        UserError: The labels or their order are others, or a row has none. A configuration that names none of its own
            (LABEL_0, LABEL_1, ...) goes with as many of any.
    """
    unnamed = {number: f"LABEL_{number}" for number in range(len(labels))}
    if dict(stored) not in (dict(enumerate(labels)), unnamed):
        raise UserError(
            f"the labels of {source.path} are not those that its head was trained for",
            expected=", ".join(f"{number}: {label}" for number, label in enumerate(labels)),
            found=", ".join(f"{number}: {label}" for number, label in sorted(stored.items())),
            where=f"id2label of {source.path}/config.json",
            fix="use the config.json that was saved with the weights",
        )


def bad_weights(source: PretrainedSource, problem: str, found: str, fix: str, expected: str | None = None) -> UserError:
    """The error to raise for weights that cannot be used."""
    return UserError(
        f"the weights of {source.path} {problem}", expected=expected, found=found, where=source.key, fix=fix
    )


def some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _check_shapes(shapes: Mapping[str, str], source: PretrainedSource) -> None:
    wrong = [f"{name} {shape}" for name, shape in sorted(shapes.items())]
    if wrong:
        raise bad_weights(source, "do not fit its configuration", some(wrong), _correct(source))


def _untrained(loaded: LoadingResult, absent: Sequence[str], head: Head, source: PretrainedSource) -> UserError:
    """The error to raise for weights that are missing where a model is to answer."""
    whole = f"every weight of {type(loaded.model).__name__}"
    if set(absent) <= head_names(loaded.model):
        return UserError(
            f"the model {source.path} has no trained head for {head}",
            expected=whole,
            found=f"no weights for {some(absent)}",
            where=source.key,
            fix="fine-tune it first (finetune run recipe=... model.name=...), or copy its weights again",
        )
    return bad_weights(source, "are incomplete", f"nothing for {some(absent)}", _correct(source), whole)


def _correct(source: PretrainedSource) -> str:
    return f"correct {source.key}, or its config.json if that was edited"


def _is_finite(weight: Tensor) -> bool:
    # The extremes are NaN or infinite where any number is, and take less memory than a boolean for each.
    return weight.numel() == 0 or bool(torch.isfinite(torch.stack(weight.aminmax())).all())
