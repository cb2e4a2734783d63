"""Gradient accumulation in finetune's loop and in transformers' Trainer: one batch of 32, and 4 batches of 8.

    python scripts/bench_accumulation.py

Both start from the same random weights, without dropout, and the batches of 8 have different numbers of targets. The
gradient and the logged loss of the first step are compared with the exact mean over the targets. The Trainer's are too
large for models that compute the mean of their loss themselves (transformers#47688). The script needs no Hub, and takes
half a minute on a laptop.
"""

import json
import math
import random
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.utils import logging as transformers_logging

from finetune import compose, progress
from finetune.recipe import (
    Data,
    Model,
    Recipe,
    Scratch,
    TaskSection,
    TextClassification,
    TextToText,
    TokenClassification,
    Training,
)
from finetune.training import prepare
from finetune.training.loop import Loop
from finetune.training.micro_batches import plan_steps
from finetune.training.run import Run

EXAMPLES = 32
SPLITS = {"1 x 32": (32, 1), "4 x 8": (8, 4)}
"""Batch size and number of accumulated batches."""
WORDS = [f"word{number}" for number in range(50)]

Gradient = dict[str, Tensor]


@dataclass(frozen=True)
class Step:
    """The gradient of the first step, and the loss that is logged for it."""

    gradient: Gradient
    loss: float


@dataclass(frozen=True)
class Case:
    """A task, the architecture of its model, and its examples."""

    architecture: str
    task: TaskSection
    row: Callable[[Sequence[str]], dict[str, Any]]
    """Returns an example with the given words."""


CASES = (
    Case("bert", TextClassification(), lambda words: {"text": " ".join(words), "label": f"is{len(words) % 2}"}),
    Case("bert", TokenClassification(), lambda words: {"tokens": words, "labels": [f"is{one[-1]}" for one in words]}),
    Case("t5", TextToText(), lambda words: {"source": " ".join(words), "target": " ".join(reversed(words))}),
)


def recipe(case: Case, folder: Path) -> Recipe:
    """Return a recipe with examples of 1 to 40 words."""
    generator = random.Random(0)
    for split, size in (("train", EXAMPLES), ("dev", 2), ("test", 2)):
        rows = [case.row(generator.choices(WORDS, k=generator.randint(1, 40))) for _ in range(size)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Recipe(
        name="accumulation",
        task=case.task,
        model=Model(scratch=Scratch(architecture=case.architecture, size="tiny", vocab_size=200, dropout=0.0)),
        data=Data(path=str(folder)),
        training=Training(precision="fp32", fp32_matmul="default", max_grad_norm=None),
        output_dir=folder / "runs",
    )


def of_loop(run: Run, batch_size: int, accumulation: int) -> Step:
    """Return the first step of finetune's loop."""
    keys = {"training.batch_size": batch_size, "training.gradient_accumulation": accumulation}
    run = replace(run, recipe=compose.override(run.recipe, keys))
    loop = Loop(run)
    run.model.train()
    run.model.zero_grad()
    (plan,) = plan_steps(run, 0)
    with closing(loop.micro_batches([plan])) as micro_batches:
        losses = [loop.gradients.forward_backward(one, plan.targets) for one in micro_batches]
    return Step(gradient_of(run.model), float(sum(losses)) / plan.targets)


def of_trainer(run: Run, batch_size: int, accumulation: int, folder: Path) -> Step:
    """Return the first step of transformers' Trainer, with transformers' own attention."""
    model = stock(run)
    found: list[Gradient] = []

    class Keep(TrainerCallback):
        def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
            found.append(gradient_of(model))

    def collate(indices: list[int]) -> dict[str, Tensor]:
        context = replace(run.context, ragged=False)
        batch = run.task.collate(run.encoded["train"].features.take(np.array(indices)), context)
        return batch.inputs | {"labels": batch.label_ids}

    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=accumulation,
        max_steps=1,
        logging_steps=1,
        max_grad_norm=0,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    indices: Any = list(range(EXAMPLES))
    trainer = Trainer(model, arguments, data_collator=collate, train_dataset=indices, callbacks=[Keep()])
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return Step(found[0], trainer.state.log_history[0]["loss"])


def stock(run: Run) -> PreTrainedModel:
    """Return a copy of the run's model with transformers' own attention."""
    config = type(run.model.config).from_dict(run.model.config.to_dict() | {"attn_implementation": "sdpa"})
    model: PreTrainedModel = type(run.model)(config)
    model.load_state_dict(run.model.state_dict())
    return model


def gradient_of(model: PreTrainedModel) -> Gradient:
    """Return a copy of the gradient of each weight."""
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def exact(run: Run) -> Step:
    """Return the exact step: the mean over the targets of all examples, in float64 and one padded batch."""
    model = stock(run).double()
    context = replace(run.context, ragged=False)
    batch = run.task.collate(run.encoded["train"].features[:], context)
    logits = model(**batch.inputs).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, -2), batch.label_ids.flatten())
    loss.backward()  # type: ignore[no-untyped-call]
    return Step(gradient_of(model), loss.item())


def length(gradient: Gradient) -> float:
    """Return the Euclidean norm of a gradient over all weights."""
    return math.sqrt(sum(float(one.double().square().sum()) for one in gradient.values()))


def row(name: str, split: str, step: Step, reference: Step) -> tuple[str, ...]:
    """Return a row of the table, which compares a step with the exact one."""
    difference = {name: one.double() - reference.gradient[name] for name, one in step.gradient.items()}
    scale = length(reference.gradient)
    ratios = length(step.gradient) / scale, length(difference) / scale, step.loss / reference.loss
    return name, split, f"{ratios[0]:.4f}", f"{ratios[1]:.1e}", f"{ratios[2]:.4f}"


def compare(case: Case, table: Table) -> None:
    """Add the rows of a case to the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = prepare(recipe(case, folder))
        reference = exact(run)
        model = type(run.model).__name__
        for split, (batch_size, accumulation) in SPLITS.items():
            table.add_row(model, *row("finetune", split, of_loop(run, batch_size, accumulation), reference))
        for split, (batch_size, accumulation) in SPLITS.items():
            found = of_trainer(run, batch_size, accumulation, folder / "trainer")
            table.add_row(model, *row("Trainer", split, found, reference))
    table.add_section()


def main() -> None:
    """Compare all cases and print one table."""
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    progress.console.quiet = True
    table = Table("model", "loop", "batches", "gradient, times exact", "error of gradient", "logged loss, times exact")
    for case in CASES:
        compare(case, table)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
