"""Checks that a checkpoint holds the weights that a model needs: the body for training, all weights for prediction."""

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
"""Parts of the body that a checkpoint may lack before training: some encoders were pretrained without a pooler, and
none with cross-attention."""
NUMBERED = re.compile(r"(^|\.)(layer|layers|block|albert_layer_groups)\.\d+\.")
"""The start of the name of a weight in a numbered layer."""

SHOWN = 5
"""The number of names of weights that a message lists."""


@dataclass(frozen=True)
class LoadingResult:
    """A loaded model, and how its checkpoint differs from its architecture.

    Args:
        model: The model.
        missing: The names of weights that the checkpoint lacks and that were drawn at random. Of tied weights, only the
            one that the others are tied to.
        mismatched: The names of weights that the checkpoint holds in another shape and that were drawn at random, each
            with a description of both shapes.
        unexpected: The names of weights in the checkpoint that the model does not have.
    """

    model: PreTrainedModel
    missing: frozenset[str]
    mismatched: Mapping[str, str]
    unexpected: frozenset[str]


def check_body(loaded: LoadingResult, source: PretrainedSource) -> None:
    """Raise an error where a part of the pretrained body was drawn at random.

    Raises:
        UserError: Weights of the body are missing or have another shape.
    """
    head = head_names(loaded.model)
    absent = sorted(name for name in loaded.missing - head if not OPTIONAL.search(name))
    if absent:
        raise bad_weights(source, "are incomplete", f"nothing for {some(absent)}", _correct(source))
    _check_shapes({name: shape for name, shape in loaded.mismatched.items() if name not in head}, source)


def check_trained(loaded: LoadingResult, head: Head, source: PretrainedSource, *, replaced: Iterable[str] = ()) -> None:
    """Raise an error where a checkpoint does not hold every weight of a model that is to predict, as finite numbers.

    Args:
        loaded: The loaded model.
        head: The name of the model's head.
        source: The source of the checkpoint.
        replaced: The names of modules whose weights come from an adapter; the checkpoint may lack them.

    Raises:
        UserError: Weights are missing, have another shape, are not finite, or belong to layers that the configuration
            does not have.
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
    """Raise an error where weights hold NaN or infinity.

    Raises:
        UserError: Some weights are not finite.
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
    """Raise an error where a trained head has other labels than those that it is to predict.

    A configuration with transformers' default names (LABEL_0, LABEL_1, ...) fits any labels of the same number.

    Args:
        stored: The labels by the rows of the head, from the checkpoint's configuration (id2label).
        labels: The labels to predict, in order.
        source: The source of the checkpoint.

    Raises:
        UserError: The labels or their order differ.
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
    """Return the error to raise for weights that cannot be used."""
    return UserError(
        f"the weights of {source.path} {problem}", expected=expected, found=found, where=source.key, fix=fix
    )


def some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are, for a message."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _check_shapes(shapes: Mapping[str, str], source: PretrainedSource) -> None:
    wrong = [f"{name} {shape}" for name, shape in sorted(shapes.items())]
    if wrong:
        raise bad_weights(source, "do not fit its configuration", some(wrong), _correct(source))


def _untrained(loaded: LoadingResult, absent: Sequence[str], head: Head, source: PretrainedSource) -> UserError:
    """Return the error to raise for missing weights of a model that is to predict."""
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
    # The minimum and the maximum are NaN or infinite where any value is; isfinite would need a boolean for each value.
    return weight.numel() == 0 or bool(torch.isfinite(torch.stack(weight.aminmax())).all())
