"""The interface of all ways to train that bench_training.py compares, and what they share."""

import ctypes
import platform
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import transformers
from accelerate.state import AcceleratorState, GradientState, PartialState
from datasets import disable_progress_bars
from transformers import (
    PreTrainedModel,
)

from finetune.progress import console
from scripts.benchmark_models import Shape
from scripts.workload import training_work

BATCH_SIZE = 32


@dataclass(frozen=True)
class Prepared:
    """Where the model and the data of a benchmark are.

    Args:
        shape: Shape of the model.
        folder: Folder that `benchmark_models.write` has filled.
        epoch_examples: Number of examples, counted from the first, in an epoch of a slow variant.
    """

    shape: Shape
    folder: Path
    epoch_examples: int


@dataclass(frozen=True)
class Amount:
    """What a step or an epoch has computed: tokens without padding, and the floating-point operations for them."""

    tokens: int
    operations: int

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.tokens + other.tokens, self.operations + other.operations)

    @classmethod
    def of(cls, shape: Shape, sources: Sequence[int], targets: Sequence[int]) -> "Amount":
        """Return the amount for examples with the given numbers of tokens.

        Args:
            shape: Shape of the model.
            sources: Number of input tokens of each example.
            targets: Number of target tokens of each example; empty for BERT.
        """
        return cls(sum(sources) + sum(targets), training_work(shape.config, sources, targets))


Step = Callable[[], Amount]


class Variant(ABC):
    """A way to train a model, whose global settings hold only while it works.

    These settings are accelerate's state, which holds the precision, and how the C library keeps freed memory, which
    finetune changes.

    Args:
        name: Name of the variant.
        prepared: The model and the data.
    """

    keeps_memory = False

    def __init__(self, name: str, prepared: Prepared) -> None:
        self.name = name
        self.prepared = prepared
        self.shape = prepared.shape
        self._states: dict[type, dict[str, Any]] = {PartialState: {}, AcceleratorState: {}, GradientState: {}}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Set the global settings of the variant inside this block."""
        for kind, state in self._states.items():
            kind._shared_state.clear()  # type: ignore[attr-defined]
            kind._shared_state.update(state)  # type: ignore[attr-defined]
        keep_memory(kept=self.keeps_memory)
        try:
            yield
        finally:
            self._states = {kind: dict(kind._shared_state) for kind in self._states}  # type: ignore[attr-defined]

    @abstractmethod
    def steps(self, count: int) -> list[Step]:
        """Return `count` optimizer steps, on batches spread evenly over an epoch; each is called inside `at_work`."""

    @abstractmethod
    def epoch(self) -> tuple[Amount, float]:
        """Train a whole epoch; return what it computed, and its duration in seconds."""


def unwrap(model: PreTrainedModel) -> None:
    """Remove the wrapper that accelerate has put around the model's forward: a second `prepare` would not renew it."""
    for name in ("forward", "_original_forward", "_is_accelerate_prepared"):
        model.__dict__.pop(name, None)


def keep_memory(*, kept: bool) -> None:
    """Let glibc keep all freed memory, as finetune does, or as much as it keeps by default after some steps."""
    if platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_threshold = (2**31 - 1, 2**31 - 1) if kept else (2**26, 2**25)
        library = ctypes.CDLL(None)
        library.mallopt(-1, trim_threshold)
        library.mallopt(-3, mmap_threshold)


def count_targets(labels: Sequence[int]) -> int:
    """Return the number of label ids that are not -100, which is padding."""
    return sum(label != -100 for label in labels)


def spread(total: int, count: int) -> list[int]:
    """Return `count` evenly spaced integers from 0 to `total` - 1."""
    return [index * total // count for index in range(count)]


@contextmanager
def quiet() -> Iterator[None]:
    """Show no progress bars and no notes inside this block."""
    was = console.quiet, transformers.logging.get_verbosity()
    console.quiet = True
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    disable_progress_bars()
    try:
        yield
    finally:
        console.quiet = was[0]
        transformers.logging.set_verbosity(was[1])
