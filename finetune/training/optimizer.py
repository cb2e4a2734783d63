"""Optimizers and learning rate schedules by name."""

from collections import defaultdict
from typing import Any, cast

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler
from transformers.optimization import Adafactor

from finetune import models
from finetune.errors import MissingExtra
from finetune.recipe import Training

_MOMENTUM = 0.9
_SCHEDULES = {"constant": "constant_with_warmup", "wsd": "warmup_stable_decay"}
"""The names of schedules in transformers, where they differ from those of recipes."""


def build_optimizer(model: torch.nn.Module, training: Training, total_steps: int) -> Optimizer:
    """Return the optimizer that the recipe names, over the trainable weights of the model.

    Args:
        model: The model; weights with `requires_grad=False` are not optimized.
        training: The recipe's `training` section.
        total_steps: Number of optimizer steps of the whole run.

    Raises:
        MissingExtra: The optimizer's package is not installed.
    """
    groups, rate = parameter_groups(model, training), training.learning_rate
    if training.optimizer == "adafactor":
        return Adafactor(groups, lr=rate, scale_parameter=True, relative_step=False)  # type: ignore[no-untyped-call]
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=_MOMENTUM)
    if training.optimizer == "schedule_free":
        return _schedule_free(groups, rate, steps_of(training.warmup, total_steps))
    return torch.optim.AdamW(groups, lr=rate, fused=True)


def _schedule_free(groups: list[dict[str, Any]], rate: float, warmup: int) -> Optimizer:
    try:
        from schedulefree import AdamWScheduleFree
    except ImportError as error:
        raise MissingExtra("training.optimizer=schedule_free", "schedule-free") from error
    optimizer = AdamWScheduleFree(groups, lr=rate, warmup_steps=warmup)
    optimizer.train()
    return cast(Optimizer, optimizer)


def parameter_groups(model: torch.nn.Module, training: Training) -> list[dict[str, Any]]:
    """Return the trainable weights in groups with the same weight decay and learning rate.

    Weight decay (Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019) is not applied to biases and
    normalization weights, as in the training of BERT. These have one dimension; matrices and embeddings have two. With
    `layer_decay`, the learning rate of a layer falls with its distance from the top (Howard and Ruder, "Universal
    Language Model Fine-tuning for Text Classification", 2018).
    """
    depths = models.layers_below_top(model) if training.layer_decay < 1 else {}
    grouped: dict[tuple[bool, int], list[torch.nn.Parameter]] = defaultdict(list)
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            grouped[weight.ndim > 1, depths.get(name, 0)].append(weight)
    return [
        {
            "params": weights,
            "weight_decay": training.weight_decay if is_decayed else 0.0,
            "lr": training.learning_rate * training.layer_decay**depth,
        }
        for (is_decayed, depth), weights in sorted(grouped.items(), key=lambda group: group[0], reverse=True)
    ]


def build_schedule(optimizer: Optimizer, training: Training, total_steps: int) -> LRScheduler:
    """Return a schedule of the learning rate: warm-up, then the recipe's schedule, which ends at the last step.

    Args:
        optimizer: The optimizer whose learning rates are set.
        training: The recipe's `training` section.
        total_steps: Number of optimizer steps of the whole run.
    """
    warmup = steps_of(training.warmup, total_steps)
    if training.optimizer == "schedule_free":
        warmup = 0  # the optimizer has a warm-up of its own
    given: dict[str, Any] = {}
    if training.schedule == "polynomial":
        given = {"power": training.power, "lr_end": 0.0}
    if training.schedule == "wsd":
        cooldown = min(steps_of(training.cooldown, total_steps), total_steps - warmup)
        given = {"num_decay_steps": cooldown, "decay_type": "linear"}
    schedule: LRScheduler = get_scheduler(
        _SCHEDULES.get(training.schedule, training.schedule),
        optimizer,
        num_warmup_steps=warmup,
        num_training_steps=total_steps,
        scheduler_specific_kwargs=given,
    )
    return schedule


def steps_of(share: float, total_steps: int) -> int:
    """Return a number of steps that a recipe gives as a share of all steps (below 1) or as a number (1 and above)."""
    return round(share * total_steps if share < 1 else share)
