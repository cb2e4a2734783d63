"""The recipe's `training`: how the weights are fitted."""

from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from finetune.recipe.section import Section, Share


class Training(Section):
    """How the weights are fitted."""

    epochs: PositiveInt = 3
    """Passes over the train split."""
    steps: PositiveInt | None = None
    """Optimizer steps instead of epochs; the last pass may be partial."""
    batch_size: PositiveInt = 32
    """Examples in one forward pass of one process."""
    tokens_per_batch: PositiveInt | None = None
    """Instead of batch_size: about this many tokens, without padding, source and target together."""
    group_by_length: bool = False
    """Batch examples of like length: less padding, at the price of less random batches."""
    layout: Literal["ragged", "padded"] = "ragged"
    """How a batch lies in memory: ragged, one stream of tokens without padding; or padded rows. Same results."""
    gradient_accumulation: PositiveInt = 1
    """Batches summed into one optimizer step; the gradient is that of their union."""
    optimizer: Literal["adamw", "adafactor"] = "adamw"
    """adamw (fused), or adafactor with steps scaled by each weight's size: for T5 from scratch."""
    learning_rate: PositiveFloat = 5e-5
    """Peak rate."""
    weight_decay: NonNegativeFloat = 0.01
    """Decoupled decay of weights; biases and norms are left alone."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the rate falls after the warm-up: to 0, or not at all."""
    warmup: NonNegativeFloat = 0.1
    """Warm-up of the rate: a share of all steps below 1, a number of steps from 1 on."""
    max_grad_norm: PositiveFloat | None = 1.0
    """Longest gradient; longer ones are scaled down to it. null: never."""
    label_smoothing: Share = 0.0
    """Share of each target's probability spread over all classes."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = "auto"
    """Of the matrix products. auto: accelerate's --mixed_precision, else bf16 where the hardware is fast at it, else
    fp32. null: what accelerate was told."""
    fp32_matmul: Literal["auto", "default", "onednn"] = "auto"
    """Library of fp32 products on a CPU. auto: oneDNN where a trial of a moment finds it faster and no less exact."""
    eval_every: PositiveInt | None = None
    """Steps between evaluations on dev; once an epoch where not given."""
    best_metric: str | None = None
    """Dev metric that chooses the best checkpoint; the task's own where not given."""
    patience: PositiveInt | None = None
    """Stop after this many evaluations in a row without a better best_metric."""
    log_every: PositiveInt = 50
    """Steps between entries in metrics.jsonl."""
    prefetch: NonNegativeInt = 4
    """Batches that a thread prepares ahead; 0 prepares each when it is needed."""
