"""The recipe's `training`: how the weights are trained."""

from typing import Annotated, Literal, Self

from pydantic import field_validator, model_validator

from finetune.recipe.base import (
    LARGEST_NUMBER,
    Count,
    CountOrZero,
    NotNegative,
    Positive,
    Section,
    Share,
    in_range,
)


class Training(Section):
    """How the weights are trained."""

    epochs: Count = 3
    """The number of passes over the train split."""
    steps: Count | None = None
    """The number of optimizer steps, in place of epochs. The last pass over the train split may then be partial. By
    default epochs counts."""
    batch_size: Count = 32
    """The number of examples in one forward pass of one process."""
    tokens_per_batch: Count | None = None
    """The approximate number of tokens in one forward pass of one process, in place of batch_size. Source and target
    tokens count together, padding does not. By default batch_size counts."""
    group_by_length: bool = False
    """Whether batches are made of examples of similar length. There is less padding then, and batches are less
    random."""
    layout: Literal["ragged", "padded"] = "ragged"
    """How a batch is laid out in memory: ragged is one stream of tokens without padding, padded is one row for each
    example. The results are the same."""
    gradient_accumulation: Count = 1
    """The number of batches of each process in one optimizer step. The gradient is that of one batch of all their
    examples."""
    freeze: tuple[str, ...] = ()
    """The weights that are not trained, by names or patterns: [bert.embeddings, "*.layer.[0-5].*"]."""
    optimizer: Literal["adamw", "adafactor", "sgd", "schedule_free"] = "adamw"
    """The optimizer: adamw, in its fused form; adafactor, whose steps are scaled by the size of each weight, for T5
    from scratch; sgd, with a momentum of 0.9; or schedule_free, an AdamW that needs schedule=constant (Defazio et al.
    2024)."""
    learning_rate: Positive = 5e-5
    """The learning rate after the warm-up, from which the schedule lowers it."""
    layer_decay: Annotated[float, in_range("a number above 0, at most 1", lambda number: 0 < number <= 1)] = 1.0
    """The factor between the learning rates of a layer and of the layer above it. The head has the full rate and the
    embeddings have the lowest."""
    weight_decay: NotNegative = 0.01
    """The weight decay, which is decoupled from the gradient except for sgd. Biases and the weights of norms do not
    decay."""
    schedule: Literal["linear", "cosine", "constant", "polynomial", "inverse_sqrt", "wsd"] = "linear"
    """How the learning rate changes after the warm-up. linear, cosine and polynomial lower it to 0, inverse_sqrt
    divides it by the square root of the step, and constant keeps it. wsd (warm-up, stable, decay) keeps it until the
    last `cooldown` steps, in which it falls to 0."""
    warmup: NotNegative = 0.1
    """The length of the warm-up, in which the learning rate rises from 0: below 1 a share of all steps, from 1 on a
    number of steps."""
    cooldown: NotNegative = 0.2
    """The length of the decay at the end with schedule=wsd: below 1 a share of all steps, from 1 on a number of
    steps."""
    power: Positive = 2.0
    """The exponent of the share of steps that are left, with schedule=polynomial."""
    ema: Share = 0.0
    """The decay of an exponential moving average of the weights, such as 0.999, which is scored and saved in place of
    the weights themselves. In the first steps the decay is smaller. 0 keeps no average."""
    max_grad_norm: Positive | None = 1.0
    """The norm to which longer gradients are scaled down. null leaves gradients as they are."""
    label_smoothing: Share = 0.0
    """The share of each target's probability that is spread evenly over all classes in the loss."""
    class_weights: Literal["balanced"] | dict[str, float] | None = None
    """The weights of classes in the training loss, for classification: {spam: 5}, where other classes have the weight
    1; or balanced, which gives all classes the same total weight. Weights are scaled to a mean of 1 over the train
    split. Dev and test losses are not weighted. By default all classes weigh the same."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] | None = "auto"
    """The precision of matrix products. auto is accelerate's --mixed_precision where it is set, else bf16 where the
    hardware is fast at it, else fp32. null is accelerate's setting alone."""
    fp32_matmul: Literal["auto", "default", "onednn"] = "auto"
    """The library that computes fp32 matrix products on a CPU: default is PyTorch's choice. auto is oneDNN where a
    short measurement finds it faster and no less exact, else default."""
    cpu_tuning: bool = True
    """Whether training on a CPU is tuned: freed memory is kept for reuse, a single launched process uses all cores,
    fp32_matmul=auto measures libraries, dropout uses a faster random generator, gradients of embeddings are gathered,
    and streams are padded to sizes that repeat. false leaves all of this as PyTorch does it; the results then differ by
    rounding and by the random numbers of dropout."""
    eval_every: Count | None = None
    """The number of steps between evaluations on the dev split, in addition to the one after each epoch."""
    best_metric: str | None = None
    """The dev metric that chooses the best checkpoint. The default is that of the task. Of equal values the one with
    the lower dev loss is better, then the later one."""
    greater_is_better: bool | None = None
    """Whether a greater value of best_metric is better. By default this is known of the metric; it has to be given for
    metrics of which it is not."""
    patience: Count | None = None
    """The number of evaluations in a row without a better best_metric after which training stops. Before the first
    gain, evaluations with an equal value do not count while that value is 0 or the dev loss still falls. By default
    training does not stop early."""
    log_every: Count = 50
    """The number of steps between entries in metrics.jsonl."""
    trackers: tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...] = ()
    """The experiment trackers to which the entries of metrics.jsonl are also sent."""
    prefetch: CountOrZero = 4
    """The number of batches that a thread prepares in advance. 0 prepares each batch when it is needed."""
    save_every: Count | None = None
    """The number of steps between checkpoints, which are saved in addition to the one at each evaluation. By default
    checkpoints are saved at evaluations only."""
    keep_checkpoints: Count = 2
    """The number of newest checkpoints that are kept. The model of the best one is always kept, too."""
    finished_checkpoints: Literal["models", "all", "none"] = "models"
    """What is kept of the checkpoints when a run is complete, that is trained, scored and published. models keeps their
    models. all also keeps the state of the optimizer, about twice as large, which only resuming needs. none deletes the
    checkpoints. The best model is in model/ in any case. Weights that are the same are on the disk once, by hard
    links."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """What happens when the loss or the gradient is infinite or not a number: stop ends the run, skip leaves out the
    step."""
    max_left_out: Count = 10
    """The number of steps that on_nonfinite=skip may leave out before the run is stopped."""
    gradient_checkpointing: bool = False
    """Whether activations are computed a second time in the backward pass in place of being stored, which takes less
    memory and about a third more time."""
    compile: bool = False
    """Whether the model is compiled by torch.compile: the whole model with layout=padded, and all but attention with
    layout=ragged. The first steps take longer, with layout=padded by minutes. It pays on GPUs."""

    @field_validator("class_weights", mode="before")
    @classmethod
    def _weights_above_zero(cls, given: object) -> object:
        if given is None or given == "balanced":
            return given
        if not isinstance(given, dict):
            raise ValueError(f"expected balanced, or a weight for each class such as {{spam: 5}}, found {given!r}")
        for label, weight in given.items():
            is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not (is_number and 0 < weight <= LARGEST_NUMBER):
                raise ValueError(
                    f"the weight of {label!r} is {repr(weight)[:40]}, expected a number above 0, at most "
                    f"{LARGEST_NUMBER:g}; to leave a class out of training, drop its rows by data.filter"
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
