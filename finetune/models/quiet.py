"""Context managers for loading and saving: without reports of libraries, without changes to the random state."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers.utils import logging as transformers_logging


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings of transformers and accelerate, and transformers' progress bars, inside this block.

    Errors and the Hub's download bars are shown. What transformers would report of loaded weights is checked by
    `finetune.models.pretrained`. Of saved weights accelerate says which it leaves out because others are the same
    tensor, as T5's embeddings are; they are there again once the model is loaded.
    """
    accelerate_logger = logging.getLogger("accelerate")
    level = accelerate_logger.level
    accelerate_logger.setLevel(logging.ERROR)
    verbosity = transformers_logging.get_verbosity()
    hook = transformers_logging.set_tqdm_hook(_without_bar)
    transformers_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        accelerate_logger.setLevel(level)
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
