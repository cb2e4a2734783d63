"""Loading without transformers' own tables and progress bars, and without touching the caller's random numbers."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers.utils import logging as transformers_logging


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from reporting below errors; the Hub's download bars stay.

    What its loading report tells in a table is checked by `finetune.models.pretrained` instead.
    """
    verbosity = transformers_logging.get_verbosity()
    hook = transformers_logging.set_tqdm_hook(_without_bar)
    transformers_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        transformers_logging.set_tqdm_hook(hook)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw random numbers on the CPU from `seed` inside this block, and leave the caller's generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _without_bar(factory: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return factory(*args, **options | {"disable": True})
