"""The loop: windows of batches in, optimizer steps out, evaluated now and then."""

import contextlib
import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from finetune.data.batches import BatchPlan, Window, windows
from finetune.errors import UserError
from finetune.metrics import higher_is_better
from finetune.tasks import Batch
from finetune.training.checkpoint import prune, save_model
from finetune.training.averaging import build_averaging
from finetune.training.dropout import fast_dropout
from finetune.training.evaluation import Evaluated, evaluate
from finetune.training.job import Job
from finetune.training.optimizer import build_optimizer, build_schedule
from finetune.training.progress import Bar, say


@dataclass
class Mean:
    """A loss averaged over targets, summed on the device so that no step waits for it."""

    total: Tensor
    targets: int = 0

    def add(self, loss: Tensor, targets: int) -> None:
        """Add the loss summed over this process's part of `targets` targets."""
        self.total += loss
        self.targets += targets


@dataclass
class State:
    """Where training stands."""

    total_steps: int
    step: int = 0
    epoch: int = 0
    best_value: float | None = None
    best_step: int = 0
    evaluations_without_gain: int = 0
    last_evaluated: int = -1
    dev: dict[str, float] = field(default_factory=dict)


class Loop:
    """Trains a job's model.

    The loss of a step is the sum over its targets divided by their number, over all batches of the step and all
    processes: accumulating batches or adding processes changes nothing but the time.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.training = job.recipe.training
        self.accelerator = job.accelerator
        self.plan = BatchPlan(
            job.encoded["train"].lengths,
            self.training.batch_size,
            self.training.tokens_per_batch,
            self.training.group_by_length,
            job.recipe.seed,
        )
        batches_per_step = self.training.gradient_accumulation * self.accelerator.num_processes
        steps_per_epoch = math.ceil(len(self.plan) / batches_per_step)
        self.state = State(total_steps=self.training.steps or self.training.epochs * steps_per_epoch)
        self.epochs = math.ceil(self.state.total_steps / steps_per_epoch)
        optimizer = build_optimizer(job.model, self.training, self.state.total_steps)
        self.schedule = build_schedule(optimizer, self.training, self.state.total_steps)
        self.model, self.optimizer = self.accelerator.prepare(job.model, optimizer)
        self.averaging = build_averaging(self.model, self.optimizer.optimizer, self.training, self.accelerator)

    def _windows(self, epoch: int) -> Iterator[Window]:
        accelerator = self.accelerator
        accumulation = self.training.gradient_accumulation
        return windows(self.plan.epoch(epoch), accumulation, accelerator.num_processes, accelerator.process_index)

    def run(self) -> None:
        """Train to the end, or until patience runs out."""
        self.model.train()
        bar = Bar("training", self.state.total_steps, enabled=self.accelerator.is_main_process)
        with bar, self.job.matmul.used(), fast_dropout(self.model):
            for epoch in range(self.epochs):
                self.state.epoch = epoch
                self._epoch(bar)
                if self._out_of_patience():
                    self._say(f"no better {self.job.best_metric} for {self.training.patience} evaluations: stopped")
                    break

    def _epoch(self, bar: Bar) -> None:
        state = self.state
        plan = list(self._windows(state.epoch))[: state.total_steps - state.step]
        mine = (batch for window in plan for batch in window.mine)
        epoch_mean, log_mean = self._mean(), self._mean()
        with closing(self.job.batches("train", mine)) as batches:
            for window in plan:
                targets = int(self.job.encoded["train"].targets[window.everyone].sum())
                loss = self._step(window, batches, targets)
                epoch_mean.add(loss, targets)
                log_mean.add(loss, targets)
                bar.advance(int(self.plan.lengths[window.everyone].sum()), note=self._note())
                if state.step % self.training.log_every == 0:
                    rate = float(self.schedule.get_last_lr()[0])
                    self._log({"train_loss": self._read(log_mean), "learning_rate": rate})
                    log_mean = self._mean()
                if self.training.eval_every and state.step % self.training.eval_every == 0:
                    self._evaluate(bar)
                    if self._out_of_patience():
                        break
        self._evaluate(bar)
        self._tell_epoch(self._read(epoch_mean))

    def _step(self, window: Window, batches: Iterator[Batch], targets: int) -> Tensor:
        """One optimizer step; gives this process's part of the loss, summed over targets."""
        loss_sum = torch.zeros((), device=self.accelerator.device)
        for number in range(len(window.mine)):
            weight = 1.0 if number < len(window.mine) - window.spare else 0.0
            is_last = number == len(window.mine) - 1
            with contextlib.nullcontext() if is_last else self.accelerator.no_sync(self.model):
                with self.accelerator.autocast():
                    loss = self.job.task.loss(self.model, next(batches), self.training.label_smoothing)
                # DDP averages gradients over processes, where the sum is wanted.
                self.accelerator.backward(loss * (weight * self.accelerator.num_processes / max(targets, 1)))
            loss_sum += loss.detach() * weight
        if self.training.max_grad_norm is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.training.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        if not self.accelerator.optimizer_step_was_skipped:  # fp16: the gradient overflowed, its scale is halved
            self.schedule.step()
        self.state.step += 1
        return loss_sum

    def _mean(self) -> Mean:
        return Mean(torch.zeros((), device=self.accelerator.device))

    def _read(self, mean: Mean) -> float:
        """The mean over all processes, in nats a target."""
        total: Tensor = self.accelerator.reduce(mean.total, reduction="sum")
        return total.item() / max(mean.targets, 1)

    def _evaluate(self, bar: Bar) -> None:
        """Score on dev and save what is best so far; nothing where this step has been evaluated."""
        state = self.state
        if state.last_evaluated == state.step:
            return
        state.last_evaluated = state.step
        with bar.paused():
            evaluated = evaluate(self.job, self.unwrapped, "dev")
        state.dev = evaluated.values
        self._log({f"dev_{name}": value for name, value in evaluated.values.items()})
        if self._is_best(evaluated):
            state.best_value, state.best_step = evaluated.values[self.job.best_metric], state.step
            state.evaluations_without_gain = 0
        else:
            state.evaluations_without_gain += 1
        if self.accelerator.is_main_process:
            save_model(self.unwrapped, self.job.tools.tokenizer, self.job.folder.checkpoints / self._name(state.step))
            prune(self.job.folder.checkpoints, {self._name(state.step), self._name(state.best_step)})
        self.accelerator.wait_for_everyone()

    def _is_best(self, evaluated: Evaluated) -> bool:
        name = self.job.best_metric
        if name not in evaluated.values:  # of a Hub metric, whose values only an evaluation tells
            raise UserError(
                f"the dev scores have no {name!r}, by which the best checkpoint is chosen",
                where="training.best_metric",
                expected=", ".join(evaluated.values),
            )
        best, value = self.state.best_value, evaluated.values[name]
        return best is None or (value > best if higher_is_better(name) else value < best)

    def _out_of_patience(self) -> bool:
        return self.training.patience is not None and self.state.evaluations_without_gain >= self.training.patience

    @property
    def unwrapped(self) -> PreTrainedModel:
        """The model without accelerate's wrapping."""
        model: PreTrainedModel = self.accelerator.unwrap_model(self.model)
        return model

    @property
    def best_checkpoint(self) -> Path:
        """Folder of the checkpoint with the best dev score so far."""
        return self.job.folder.checkpoints / self._name(self.state.best_step)

    @staticmethod
    def _name(step: int) -> str:
        return f"step-{step:06}"

    def _note(self) -> str:
        return f"epoch {self.state.epoch + 1}/{self.epochs}"

    def _log(self, values: dict[str, float]) -> None:
        if self.accelerator.is_main_process:
            self.job.folder.log({"step": self.state.step, "epoch": self.state.epoch + 1} | values)

    def _tell_epoch(self, train_loss: float) -> None:
        self._log({"epoch_train_loss": train_loss})
        dev = "  ".join(f"{name} {show(name, value)}" for name, value in self.state.dev.items())
        self._say(f"epoch {self.state.epoch + 1}/{self.epochs}  train loss {train_loss:.4f}  |  dev  {dev}")

    def _say(self, text: str) -> None:
        if self.accelerator.is_main_process:
            say(text)


def show(name: str, value: float) -> str:
    """A score as people write it: BLEU and chrF to two digits, shares and losses to four."""
    return f"{value:.2f}" if abs(value) > 1 and name != "loss" else f"{value:.4f}"


def fit(job: Job) -> Loop:
    """Train the job's model; its best checkpoint is in the run folder."""
    loop = Loop(job)
    loop.run()
    return loop
