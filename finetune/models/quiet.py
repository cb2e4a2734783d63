"""Context managers for loading: without transformers' reports, and without changes to the caller's random state."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers.utils import logging as transformers_logging


@contextmanager
def quiet() -> Iterator[None]:
    """Silence transformers' warnings and progress bars inside this block; errors and the Hub's download bars are shown.

    What transformers would report of loaded weights is checked by `finetune.models.pretrained`.
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
    """Seed PyTorch's CPU generator inside this block, and restore its state afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def _without_bar(factory: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    return factory(*args, **options | {"disable": True})
