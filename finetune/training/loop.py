"""The loop: windows of batches in, optimizer steps out, evaluated and saved now and then."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from transformers import PreTrainedModel

from finetune.data.batches import Indices, StepBatches, step_batches
from finetune.errors import Interrupted
from finetune.tasks import Batch
from finetune.training import guard
from finetune.training.averaging import build_averaging
from finetune.training.checkpoint import enough_room, step_name
from finetune.training.compiling import compile_model, compiling
from finetune.training.dropout import fast_dropout
from finetune.training.evaluation import evaluate
from finetune.training.gradient import Gradients
from finetune.training.guard import Trace, Traces
from finetune.training.interrupt import Signals, StopNow
from finetune.training.memory import recompute_activations
from finetune.training.optimizer import build_optimizer, build_schedule
from finetune.training.progress import ProgressBar, say
from finetune.training.resume import command
from finetune.training.run import Run
from finetune.training.saving import restore, save
from finetune.training.selection import update_best
from finetune.training.sharding import is_plain, set_up_deepspeed
from finetune.training.state import MeanLoss, TrainingState


class Loop:
    """Trains a run's model.

    The loss of a step is the sum over its targets divided by their number, over all batches of the step and all
    processes: accumulating batches or adding processes changes nothing but the time.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.training = run.recipe.training
        self.accelerator = run.accelerator
        self.plan = run.plan
        self.batches_per_step = self.training.gradient_accumulation * self.accelerator.num_processes
        steps_per_epoch = math.ceil(len(self.plan) / self.batches_per_step)
        self.state = TrainingState(total_steps=self.training.steps or self.training.epochs * steps_per_epoch)
        self.epochs = math.ceil(self.state.total_steps / steps_per_epoch)
        self._set_up_model(run.model)
        set_up_deepspeed(self.accelerator, self.training)
        optimizer = build_optimizer(run.model, self.training, self.state.total_steps)
        self.schedule = build_schedule(optimizer, self.training, self.state.total_steps)
        self.model, self.optimizer = self.accelerator.prepare(run.model, optimizer)
        if isinstance(self.model, DistributedDataParallel):
            # These models' buffers are constants. Sending them would leave one process waiting for another that runs
            # out of memory.
            self.model.broadcast_buffers = False
        self.averaging = build_averaging(self.model, self.optimizer.optimizer, self.training, self.accelerator)
        self.gradients = Gradients(run, self.model, self.state)
        self.epoch_mean, self.log_mean = self._mean(), self._mean()
        self.traces = Traces()
        self.signals = Signals()
        self._told_to_end = False
        if run.resumed:
            restore(self)

    def _set_up_model(self, model: PreTrainedModel) -> None:
        if self.training.gradient_checkpointing:
            recompute_activations(model)
        if self.training.compile:
            compile_model(model, ragged=self.run.context.ragged)

    def train(self) -> None:
        """Train to the end, or until patience runs out.

        Raises:
            Interrupted: A signal asked for the end; a checkpoint is saved.
            UserError: A loss or gradient was not finite, memory or the disk did not suffice.
        """
        self.model.train()
        bar = ProgressBar(
            "training", self.state.total_steps - self.state.step, enabled=self.accelerator.is_main_process
        )
        with (
            enough_room(self.run.folder.path),
            bar,
            compiling(self.training.compile),
            self.computing(),
            self.signals.noted(),
        ):
            while True:
                self._epoch(bar)
                if self._out_of_patience():
                    self._say(f"no better {self.run.best_metric} for {self.training.patience} evaluations: stopped")
                    break
                if self.state.step >= self.state.total_steps:
                    break
                self.state.epoch, self.state.position = self.state.epoch + 1, 0
                self.epoch_mean, self.log_mean = self._mean(), self._mean()

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Steps in this block compute in the ways that are fastest here."""
        with self.run.matmul.used(), fast_dropout(self.model), self.gradients.embeddings.gathered():
            yield

    def _epoch(self, bar: ProgressBar) -> None:
        state = self.state
        batches = self.plan.epoch(state.epoch)
        plan = self._windows(batches)[: state.total_steps - (state.step - state.position)]
        largest = self._largest(batches)
        if state.step and self._evaluation_is_due(len(plan)) and state.last_evaluated != state.step:
            self._evaluate(bar)  # what a signal kept the run from
            save(self)
        while state.position < len(plan) and not self._out_of_patience():
            with closing(self.gradients.prepared(plan[state.position :])) as prepared:
                for window, size in zip(plan[state.position :], largest[state.position :], strict=False):
                    if not self._step(window, prepared, size):
                        break  # the batches prepared are too large
                    bar.advance(int(self.plan.lengths[window.all].sum()), note=self._note())
                    self._after_step(bar, len(plan))
                    if self._out_of_patience():
                        break
        self._tell_epoch(self._read(self.epoch_mean))

    def _windows(self, batches: Sequence[Indices]) -> list[StepBatches]:
        accelerator = self.accelerator
        accumulation = self.training.gradient_accumulation
        return list(step_batches(batches, accumulation, accelerator.num_processes, accelerator.process_index))

    def _largest(self, batches: Sequence[Indices]) -> list[int]:
        """Positions of the largest batch of each window, over all processes."""
        ragged, lengths = self.run.context.ragged, self.plan.lengths
        sizes = [int(lengths[one].sum() if ragged else lengths[one].max() * len(one)) for one in batches]
        groups: list[int] = np.maximum.reduceat(sizes, np.arange(0, len(sizes), self.batches_per_step)).tolist()
        return groups

    def _step(self, window: StepBatches, prepared: Iterator[Batch], size: int) -> bool:
        """One optimizer step; False where memory did not suffice, so that it must be done again in smaller parts."""
        targets = int(self.run.encoded["train"].targets[window.all].sum())
        losses = self.gradients.compute(window, prepared, targets, size)
        if losses is None:
            return False
        parts = self.gradients.parts(window)
        loss = self._mean().total
        for one, (_, weight) in zip(losses, parts, strict=True):
            loss += one * weight
        flags = self._update(loss)
        finite_loss = loss.masked_fill(flags[0] > 0, 0.0)
        self.epoch_mean.add(finite_loss, targets)
        self.log_mean.add(finite_loss, targets)
        self._look_at(self.traces.put(Trace(self.state.step, losses, [part for part, _ in parts], targets, flags)))
        return True

    def _update(self, loss: Tensor) -> Tensor:
        """Step the optimizer unless loss or gradient is not finite; gives the flags of the step (`guard.flags`)."""
        scaled = self.optimizer.scaler is not None  # fp16: the gradient may overflow, and its scale is halved then
        norm, divisor = self._clip()
        told = self.signals.received is not None
        flags = guard.flags(self.accelerator, loss, None if scaled else norm, told_to_end=told)
        if scaled:
            self.optimizer.step()
        else:
            optimizer = self.optimizer.optimizer if is_plain(self.accelerator) else self.optimizer
            guard.step_where_finite(optimizer, flags[0], divisor)
        self.optimizer.zero_grad()
        self.gradients.forget()
        overflowed = scaled and self.accelerator.optimizer_step_was_skipped
        self.state.overflows = self.state.overflows + 1 if overflowed else 0
        if not overflowed:
            self.schedule.step()
        self.state.step += 1
        self.state.position += 1
        return flags

    def _clip(self) -> tuple[Tensor | None, Tensor | None]:
        """Clip the gradient; gives its norm before that, and what the optimizer is to divide it by."""
        limit = self.training.max_grad_norm
        divides = is_plain(self.accelerator) and guard.reads_on_device(self.optimizer.optimizer)
        if limit is not None and not divides:
            norm = self.accelerator.clip_grad_norm_(self.model.parameters(), limit)
            return None if norm is None else torch.as_tensor(norm), None  # DeepSpeed has a number, or none yet
        norm = self.gradients.norm()
        # As torch's clip_grad_norm_, in the pass over the gradient that the optimizer makes anyway.
        return norm, None if limit is None else ((norm + 1e-6) / limit).clamp_(min=1)

    def _look_at(self, trace: Trace | None) -> None:
        """Deal with what a step found: not finite, or the end asked for."""
        if trace is None:
            return
        self._told_to_end = trace.is_last
        if trace.is_finite and self.state.overflows <= guard.MOST_OVERFLOWS:
            return
        state, may = self.state, self.training.max_left_out if self.training.on_nonfinite == "skip" else 0
        rate = float(self.schedule.get_last_lr()[0])
        if trace.is_finite or state.left_out >= may:
            raise guard.not_finite(self.run, trace, rate, state.left_out)
        state.left_out += 1
        self.epoch_mean.targets -= trace.targets
        self.log_mean.targets -= trace.targets
        self._say(f"step {trace.step} is left out, {state.left_out} of at most {may}: its gradient is not finite")

    def _after_step(self, bar: ProgressBar, steps_of_epoch: int) -> None:
        """Log, evaluate, save, end: what is due after a step."""
        state = self.state
        logs = state.step % self.training.log_every == 0
        evaluates = self._evaluation_is_due(steps_of_epoch)
        saves = evaluates or bool(self.training.save_every and state.step % self.training.save_every == 0)
        if logs or saves or self._told_to_end:
            self._look_at(self.traces.last())
        if logs:
            rate = float(self.schedule.get_last_lr()[0])
            self._log({"train_loss": self._read(self.log_mean), "learning_rate": rate})
            self.log_mean = self._mean()
        ends = self._told_to_end
        if evaluates and not ends:
            ends = not self._evaluate(bar)
        if saves or ends:
            save(self)
        if ends:
            self._end()

    def _end(self) -> None:
        """Leave the run where it stands.

        Raises:
            Interrupted: Always.
        """
        received = self.accelerator.gather(torch.tensor([self.signals.received or 0], device=self.accelerator.device))
        number = min(int(one) for one in received if one)  # Ctrl-C, where its launcher turns it into SIGTERM for some
        self._say(f"saved at step {self.state.step}: {self.run.folder.path}")
        raise Interrupted(number, command(self.run.folder.path, self.accelerator.num_processes))

    def _evaluation_is_due(self, steps_of_epoch: int) -> bool:
        every = self.training.eval_every
        return self.state.position == steps_of_epoch or bool(every and self.state.step % every == 0)

    def _mean(self) -> MeanLoss:
        return MeanLoss(torch.zeros((), device=self.accelerator.device))

    def _read(self, mean: MeanLoss) -> float:
        """The mean over all processes, in nats a target."""
        total: Tensor = self.accelerator.reduce(mean.total, reduction="sum")
        return total.item() / max(mean.targets, 1)

    def _evaluate(self, bar: ProgressBar) -> bool:
        """Score on dev and note what is best so far; False where a signal kept it from that."""
        state = self.state
        # One process can leave an evaluation; several do so together at the next step.
        leaves = self.signals.at_once() if self.accelerator.num_processes == 1 else contextlib.nullcontext()
        try:
            with self.averaging.applied(), bar.paused(), leaves:
                evaluated = evaluate(self.run, self.unwrapped, "dev")
        except StopNow:
            return False
        state.last_evaluated = state.step
        state.dev = evaluated.values
        self._log({f"dev_{name}": value for name, value in evaluated.values.items()})
        update_best(state, evaluated.values, self.run.best_metric, greater_is_better=self.run.greater_is_better)
        return True

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
        return self.run.folder.checkpoints / step_name(self.state.best_step)

    def _note(self) -> str:
        return f"epoch {self.state.epoch + 1}/{self.epochs}"

    def _log(self, values: dict[str, float]) -> None:
        if self.accelerator.is_main_process:
            self.run.folder.log({"step": self.state.step, "epoch": self.state.epoch + 1} | values)
            self.accelerator.log(values, step=self.state.step)

    def _tell_epoch(self, train_loss: float) -> None:
        self._log({"epoch_train_loss": train_loss})
        dev = "  ".join(f"{name} {format_score(name, value)}" for name, value in self.state.dev.items())
        self._say(f"epoch {self.state.epoch + 1}/{self.epochs}  train loss {train_loss:.4f}  |  dev  {dev}")

    def _say(self, text: str) -> None:
        if self.accelerator.is_main_process:
            say(text)


def format_score(name: str, value: float) -> str:
    """A score as people write it: BLEU and chrF to two digits, shares and losses to four."""
    return f"{value:.2f}" if abs(value) > 1 and name != "loss" else f"{value:.4f}"


def fit(run: Run) -> Loop:
    """Train the run's model; its best checkpoint is in the run folder, which is unlocked where training fails."""
    with run.lock.released_on_error():
        loop = Loop(run)
        loop.train()
        return loop
