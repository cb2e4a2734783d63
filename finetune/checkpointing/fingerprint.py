"""Fingerprints: checksums of the data and the starting model of a run.

A run that is resumed compares them, so that it never continues with other data. A fingerprint has a line of text for
each part: the features of each split in their order, the class names, and the weights, configuration and tokenizer of
the starting model. It is stored in every checkpoint. The encoded features are compared, so that streamed and mixed data
are compared in full, and nothing is tokenized a second time.
"""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune.data.encoding import describe_tokenizer
from finetune.data.features import Features
from finetune.data.messages import plural, shorten_list
from finetune.errors import UserError

Fingerprint = Mapping[str, str]
"""Size and checksum of each part of the data and the model, as text, by the name of the part."""

DATA_PARTS = ("train", "dev", "test", "labels")
_BLOCK = 2**26
"""Number of bytes that are read at a time, as a mapped column may be larger than memory."""
_NOT_OF_THE_MODEL = ("_name_or_path", "transformers_version")
"""Entries of a configuration that depend only on the model's folder or the installed packages."""


def take_fingerprint(
    features: Mapping[str, Features],
    labels: Sequence[str] | None,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
) -> Fingerprint:
    """Return the fingerprint of a run before training.

    Args:
        features: The encoded features of each split, in order.
        labels: The class names in order; None for a task without classes.
        model: The starting model with its new head and its adapter, before accelerate prepares it.
        tokenizer: The tokenizer of the model.
    """
    parts = {split: _of_features(one) for split, one in features.items()}
    if labels is not None:
        parts["labels"] = f"{shorten_list(labels, most=10)} ({_of_text(*labels)})"
    parts["weights"] = _of_weights(model)
    parts["configuration"] = _of_text(json.dumps(_without_origin(model.config.to_diff_dict()), sort_keys=True))
    parts["tokenizer"] = _of_text(repr(describe_tokenizer(tokenizer)))
    return parts


def check_fingerprint(stored: Fingerprint, now: Fingerprint, *, run: str, changed_packages: Sequence[str]) -> None:
    """Raise an error if the data or the starting model of a run have changed.

    Args:
        stored: The fingerprint in the checkpoint of the run.
        now: The fingerprint of the data and the model as they were loaded now.
        run: The run folder, for the message.
        changed_packages: Descriptions of the packages whose version is not that at the checkpoint.

    Raises:
        UserError: The fingerprints differ; the message names each part that does.
    """
    different = [part for part in dict.fromkeys((*stored, *now)) if stored.get(part) != now.get(part)]
    if not different:
        return
    subjects = dict.fromkeys("the data" if part in DATA_PARTS else "the starting model" for part in different)
    subject = " and ".join(subjects)
    packages = f"; other packages than before: {', '.join(changed_packages)}" if changed_packages else ""
    raise UserError(
        f"{subject} changed since the run {run} began, so that it cannot be resumed",
        where=", ".join(different),
        expected="; ".join(f"{part}: {stored.get(part, 'nothing')}" for part in different),
        found="; ".join(f"{part}: {now.get(part, 'nothing')}" for part in different) + packages,
        fix=f"restore {subject} and repeat the command, or start a new run without resume=",
    )


def _of_features(features: Features) -> str:
    checksum = 0
    for name, column in sorted(features.columns.items()):
        checksum = zlib.crc32(f"{name} {column.values.dtype}".encode(), checksum)
        checksum = _of_array(column.values, checksum)
        if column.offsets is not None:
            checksum = _of_array(column.offsets, checksum)
    tokens = int(features.columns["length"].values.sum())
    return f"{plural(len(features), 'input')}, {plural(tokens, 'token')}, checksum {checksum:08x}"


def _of_weights(model: nn.Module) -> str:
    checksum, count = 0, 0
    for name, weight in model.named_parameters():
        checksum = zlib.crc32(f"{name} {weight.dtype} {tuple(weight.shape)}".encode(), checksum)
        checksum = _of_array(weight.detach().cpu().reshape(-1).view(torch.uint8).numpy(), checksum)
        count += weight.numel()
    return f"{count:,} weights, checksum {checksum:08x}"


def _of_array(values: npt.NDArray[Any], checksum: int) -> int:
    rows = max(_BLOCK // max(values.itemsize, 1), 1)
    for start in range(0, len(values), rows):
        checksum = zlib.crc32(np.ascontiguousarray(values[start : start + rows]).data, checksum)
    return checksum


def _of_text(*texts: str) -> str:
    return f"checksum {zlib.crc32(json.dumps(texts).encode()):08x}"


def _without_origin(entries: Any) -> Any:
    """Return a configuration, and those nested in it, without the entries that say where it is from."""
    if not isinstance(entries, Mapping):
        return str(entries)
    return {str(name): _without_origin(entry) for name, entry in entries.items() if name not in _NOT_OF_THE_MODEL}
