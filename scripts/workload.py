"""The lengths of the texts that benchmarks compute, and the floating-point operations of a training step.

This module imports neither pydantic nor datasets, so that scripts/check_gpu can use it.
"""

from collections.abc import Sequence

import numpy as np
from transformers import BertConfig, T5Config

MAX_LENGTH = 128
"""Maximum number of tokens of inputs and outputs, as in transformers' examples; variant (a) pads to it."""


def lengths(generator: np.random.Generator, count: int, mean: float) -> list[int]:
    """Return `count` numbers of tokens, between 4 and MAX_LENGTH."""
    deviation = 0.55
    drawn = generator.lognormal(np.log(mean) - deviation**2 / 2, deviation, count)
    return [int(length) for length in drawn.round().clip(4, MAX_LENGTH)]


def target_length(generator: np.random.Generator, length: int) -> int:
    """Return the number of tokens of a translation; one in six is more than a fifth longer than its source.

    Args:
        generator: Random numbers.
        length: Number of tokens of the source.
    """
    return int(np.clip(round(length * generator.lognormal(0.0, 0.2)), 4, MAX_LENGTH))


def training_work(config: BertConfig | T5Config, sources: Sequence[int], targets: Sequence[int]) -> int:
    """Return the floating-point operations of all matrix products in a training step, without padding.

    The backward pass needs twice as many as the forward pass.

    Args:
        config: Configuration of the model.
        sources: Number of tokens of each input.
        targets: Number of tokens of each output of T5; empty for BERT.
    """
    forward = (
        _t5_products(config, sources, targets) if isinstance(config, T5Config) else _bert_products(config, sources)
    )
    return 3 * 2 * forward


def _bert_products(config: BertConfig, sources: Sequence[int]) -> int:
    """Return the number of multiplications in a forward pass."""
    width: int = config.hidden_size
    layer = sum(sources) * (4 * width**2 + 2 * width * config.intermediate_size)
    attention = 2 * width * sum(length**2 for length in sources)
    head = len(sources) * width * (width + (config.num_labels or 0))
    return int(config.num_hidden_layers * (layer + attention) + head)


def _t5_products(config: T5Config, sources: Sequence[int], targets: Sequence[int]) -> int:
    """Return the number of multiplications in a forward pass."""
    inner = config.num_heads * config.d_kv
    projection, feed_forward = config.d_model * inner, 2 * config.d_model * config.d_ff
    pairs = sum(length**2 for length in sources)
    pairs += sum(length * (length + 1) // 2 for length in targets)
    pairs += sum(source * target for source, target in zip(sources, targets, strict=True))
    encoder = sum(sources) * (4 * projection + feed_forward)
    decoder = sum(targets) * (6 * projection + feed_forward) + sum(sources) * 2 * projection
    layers = config.num_layers * (encoder + decoder + 2 * inner * pairs)
    head = sum(targets) * config.d_model * (config.vocab_size or 0)
    return int(layers + head)
