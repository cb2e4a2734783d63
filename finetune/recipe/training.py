"""The recipe's `training`: how the weights are fitted."""

import math
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from finetune.recipe.base import Section, Share


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
    freeze: tuple[str, ...] = ()
    """Weights that are not trained, by name or pattern: [bert.embeddings, "*.layer.[0-5].*"]."""
    optimizer: Literal["adamw", "adafactor", "sgd", "schedule_free"] = "adamw"
    """adamw (fused); adafactor with steps scaled by each weight's size: for T5 from scratch; sgd with a momentum of
    0.9; schedule_free, AdamW that needs no schedule (Defazio et al. 2024; takes schedule=constant)."""
    learning_rate: PositiveFloat = 5e-5
    """Peak rate."""
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Rate of each layer as a share of the rate of the layer above it, embeddings the lowest; the head has the full
    rate."""
    weight_decay: NonNegativeFloat = 0.01
    """Decay of weights, decoupled but for sgd; biases and norms are left alone."""
    schedule: Literal["linear", "cosine", "constant", "polynomial", "inverse_sqrt", "wsd"] = "linear"
    """How the rate falls after the warm-up: to 0 by a line, a cosine or a power; by the square root of the step; not at
    all; or wsd, not at all until the last `cooldown` steps, then to 0."""
    warmup: NonNegativeFloat = 0.1
    """Warm-up of the rate: a share of all steps below 1, a number of steps from 1 on."""
    cooldown: NonNegativeFloat = 0.2
    """schedule=wsd: the fall at the end, counted like the warm-up."""
    power: PositiveFloat = 2.0
    """schedule=polynomial: exponent of the share of steps that are left."""
    ema: Share = 0.0
    """Score and save a moving average of the weights, which keeps this share of itself in each step (0.999, say); in
    the first steps less. 0: the weights themselves."""
    max_grad_norm: PositiveFloat | None = 1.0
    """Longest gradient; longer ones are scaled down to it. null: never."""
    label_smoothing: Share = 0.0
    """Share of each target's probability spread over all classes."""
    class_weights: Literal["balanced"] | dict[str, float] | None = None
    """What an example counts in the loss by its class, scaled to 1 in the mean over train: {spam: 5}, others 1; or
    balanced, as if each class had as many. Classification only. Dev and test losses are unweighted."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = "auto"
    """Of the matrix products. auto: accelerate's --mixed_precision, else bf16 where the hardware is fast at it, else
    fp32. null: what accelerate was told."""
    fp32_matmul: Literal["auto", "default", "onednn"] = "auto"
    """Library of fp32 products on a CPU. auto: oneDNN where a trial of a moment finds it faster and no less exact."""
    cpu_tuning: bool = True
    """On a CPU: freed memory is kept, a lone launched process uses all cores, fp32_matmul=auto tries libraries, dropout
    draws faster, gradients of embeddings are gathered, streams are padded to sizes that repeat. false: all of it as
    torch does by itself; the results differ by rounding and by what dropout draws."""
    eval_every: PositiveInt | None = None
    """Steps between evaluations on dev; once an epoch where not given."""
    best_metric: str | None = None
    """Dev metric that chooses the best checkpoint, the task's own where not given. Of equal values the one with the
    lower dev loss is better, then the later one."""
    greater_is_better: bool | None = None
    """Whether a greater best_metric is better, to be given for a metric whose name does not tell."""
    patience: PositiveInt | None = None
    """Stop after this many evaluations in a row without a better best_metric. Those that only tie do not count before
    the first gain: while it is 0, or while the dev loss still falls."""
    log_every: PositiveInt = 50
    """Steps between entries in metrics.jsonl."""
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = ()
    """Where the entries of metrics.jsonl also go."""
    prefetch: NonNegativeInt = 4
    """Batches that a thread prepares ahead; 0 prepares each when it is needed."""
    save_every: PositiveInt | None = None
    """Steps between checkpoints, beside the one that each evaluation leaves."""
    keep_checkpoints: PositiveInt = 2
    """How many of the newest checkpoints are kept; of the best, the model is kept too."""
    finished_checkpoints: Literal["models", "all", "none"] = "models"
    """What stays of them when the run is complete, that is trained, scored and published: their models; all, that is
    also the weights and the optimizer's state to go on from, about three times as large, which a complete run never
    reads again; or none. The best model is in model/ in any case."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """What a loss or gradient that is infinite or not a number does to the run: stop it, or leave out the step."""
    max_left_out: PositiveInt = 10
    """Steps that on_nonfinite=skip may leave out before the run is stopped."""
    gradient_checkpointing: bool = False
    """Compute activations a second time in place of keeping them: less memory, about a third more time."""
    compile: bool = False
    """Compile the model by torch.compile: all of it with layout=padded; of ragged streams what computes tokens one by
    one, not attention. The first steps take longer, minutes where padded; gains are on GPUs."""

    @field_validator("class_weights", mode="before")
    @classmethod
    def _weights_above_zero(cls, given: object) -> object:
        if given is None or given == "balanced":
            return given
        if not isinstance(given, dict):
            raise ValueError(f"expected balanced, or a weight for each class such as {{spam: 5}}, found {given!r}")
        for label, weight in given.items():
            is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not (is_number and 0 < weight < math.inf):
                raise ValueError(
                    f"the weight of {label!r} is {weight!r}, expected a number above 0; to leave a class out of "
                    "training, drop its rows by data.filter"
                )
        return {str(label): weight for label, weight in given.items()}

    @model_validator(mode="after")
    def _one_schedule(self) -> Self:
        if self.optimizer == "schedule_free" and self.schedule != "constant":
            raise ValueError(f"optimizer=schedule_free takes schedule=constant, found {self.schedule}")
        if self.optimizer == "schedule_free" and self.ema:
            raise ValueError("optimizer=schedule_free averages weights by itself: set ema=0")
        return self

    @model_validator(mode="after")
    def _tuned_library(self) -> Self:
        if not self.cpu_tuning and self.fp32_matmul == "onednn":
            raise ValueError("cpu_tuning=false takes fp32_matmul=auto or default, found onednn")
        return self
