"""The loop: windows of batches in, optimizer steps out, evaluated and saved now and then."""

import contextlib
import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel

from finetune.checkpointing.checkpoint import enough_room, step_name
from finetune.checkpointing.resume import command
from finetune.checkpointing.state import MeanLoss, TrainingState
from finetune.data.batches import Indices
from finetune.errors import Interrupted
from finetune.hardware.compiling import compile_model, compiling
from finetune.hardware.dropout import fast_dropout
from finetune.hardware.memory import recompute_activations
from finetune.hardware.sharding import keep_buffers, set_up_deepspeed
from finetune.progress import ProgressBar, format_score, say
from finetune.training.averaging import build_averaging
from finetune.training.callbacks import Callbacks
from finetune.training.evaluation import evaluate
from finetune.training.gradient import Gradients
from finetune.training.interrupt import Signals, StopNow
from finetune.training.micro_batches import MicroBatch, StepPlan, micro_batches, plan_steps
from finetune.training.nonfinite import MOST_OVERFLOWS, StepFlags, StepFlagsQueue, guarded_step, nonfinite_error
from finetune.training.optimizer import build_optimizer, build_schedule
from finetune.training.run import Run
from finetune.training.saving import restore, save
from finetune.training.selection import update_best
from finetune.training.splitting import Splitting


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
        self.steps_per_epoch = math.ceil(len(self.plan) / self.batches_per_step)
        self.state = TrainingState(total_steps=self.training.steps or self.training.epochs * self.steps_per_epoch)
        self.epochs = math.ceil(self.state.total_steps / self.steps_per_epoch)
        self._set_up_model(run.model)
        set_up_deepspeed(self.accelerator, self.training)
        optimizer = build_optimizer(run.model, self.training, self.state.total_steps)
        self.schedule = build_schedule(optimizer, self.training, self.state.total_steps)
        self.model, self.optimizer = self.accelerator.prepare(run.model, optimizer)
        keep_buffers(self.model)
        self.averaging = build_averaging(self.model, self.optimizer.optimizer, self.training, self.accelerator)
        self.gradients = Gradients(run, self.model)
        self.splitting = Splitting(run, self.model, self.state)
        self.epoch_mean, self.log_mean = self._mean(), self._mean()
        self.flags = StepFlagsQueue()
        self.signals = Signals()
        self.callbacks = Callbacks(self)
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
            self.callbacks.train_begin()
            while True:
                self._epoch(bar)
                if self.state.stop_requested:
                    self._say(f"stopped by a callback after step {self.state.step} of {self.state.total_steps}")
                    break
                if self._out_of_patience():
                    self._say(f"no better {self.run.best_metric} for {self.training.patience} evaluations: stopped")
                    break
                if self.state.step >= self.state.total_steps:
                    break
                self.state.epoch, self.state.position = self.state.epoch + 1, 0
                self.epoch_mean, self.log_mean = self._mean(), self._mean()
            self.callbacks.train_end()

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Steps in this block compute in the ways that are fastest here, unless training.cpu_tuning is false."""
        dropout = fast_dropout(self.model, enabled=self.training.cpu_tuning)
        with self.run.tuned(), dropout, self.gradients.embeddings.gathered():
            yield

    def _epoch(self, bar: ProgressBar) -> None:
        state = self.state
        plan = plan_steps(self.run, state.epoch)[: state.total_steps - (state.step - state.position)]
        if state.step and self._evaluation_is_due(len(plan)) and state.last_evaluated != state.step:
            self._evaluate(bar)  # what a signal kept the run from
            save(self)
        while state.position < len(plan) and not self._is_over():
            with closing(self.micro_batches(plan[state.position :])) as prepared:
                for step in plan[state.position :]:
                    if not self.take_step(step, prepared):
                        break  # the micro-batches prepared are too large
                    tokens = int(self.plan.lengths[step.window.all].sum())
                    bar.advance(tokens, note=f"epoch {state.epoch + 1}/{self.epochs}")
                    self._after_step(bar, len(plan))
                    if self._is_over():
                        break
        self._tell_epoch(self._read(self.epoch_mean))

    def micro_batches(self, steps: Sequence[StepPlan]) -> Generator[MicroBatch]:
        """Yield this process's micro-batches of consecutive steps, split as memory demands; to be closed."""
        return micro_batches(self.run, steps, self.state.parts)

    def step(self, micro_batches: Iterator[MicroBatch], targets: int) -> StepFlags:
        """Take one optimizer step.

        Args:
            micro_batches: This process's micro-batches of the step; the gradients are exchanged in the last.
            targets: Number of targets of the step over all processes.

        Returns:
            The losses, and whether they and the gradient are finite.
        """
        loss, losses, indices = self._mean().total, list[Tensor](), list[Indices]()
        # Forward and backward: the micro-batches' gradients add up to that of the step's mean loss, because the loss of
        # each is summed over its targets and divided by the number of targets of the step.
        for micro_batch in micro_batches:
            losses.append(self.gradients.forward_backward(micro_batch, targets))  # scalar, summed over targets
            loss += losses[-1] * micro_batch.weight
            indices.append(micro_batch.indices)
        # Clip: a gradient longer than max_grad_norm is scaled down, at once or within the optimizer's step.
        clipped = self.gradients.clip(self.training.max_grad_norm, self.optimizer)
        # Optimizer step: left out on all processes alike where the loss or the gradient of one is not finite.
        is_told = self.signals.received is not None
        flags = guarded_step(self.accelerator, self.optimizer, loss, clipped, told_to_end=is_told)
        # Schedule step: the rate follows all steps but those in which fp16 overflowed.
        if not self._overflowed():
            self.schedule.step()
        # zero_grad: the next step begins without a gradient.
        self.optimizer.zero_grad()
        self.gradients.clear()
        self.state.step += 1
        self.state.position += 1
        return StepFlags(self.state.step, losses, indices, loss, targets, flags)

    def take_step(self, plan: StepPlan, prepared: Iterator[MicroBatch]) -> bool:
        """Take one optimizer step, and deal with memory that does not suffice and with numbers that are not finite.

        Args:
            plan: The step.
            prepared: Yields the micro-batches of this step and of those after it.

        Returns:
            False where memory did not suffice: the micro-batches are to be made anew, which are smaller then.

        Raises:
            UserError: Memory does not suffice for a single example, or the loss or gradient was not finite.
        """
        flags = self.splitting.attempt(partial(self.step, targets=plan.targets), plan, prepared)
        if flags is None:
            return False
        self.state.overflows = self.state.overflows + 1 if self._overflowed() else 0
        loss = flags.finite_loss
        self.epoch_mean.add(loss, plan.targets)
        self.log_mean.add(loss, plan.targets)
        self._look_at(self.flags.put(flags))
        return True

    def _overflowed(self) -> bool:
        """Whether fp16's gradient scaling has left out the last step."""
        return self.optimizer.scaler is not None and self.accelerator.optimizer_step_was_skipped

    def _look_at(self, flags: StepFlags | None) -> None:
        """Deal with what a step found: not finite, or the end asked for."""
        if flags is None:
            return
        self._told_to_end = flags.is_last
        if flags.is_finite and self.state.overflows <= MOST_OVERFLOWS:
            return
        state, may = self.state, self.training.max_left_out if self.training.on_nonfinite == "skip" else 0
        rate = float(self.schedule.get_last_lr()[0])
        if flags.is_finite or state.skipped_steps >= may:
            raise nonfinite_error(self.run, flags, rate, state.skipped_steps)
        state.skipped_steps += 1
        self.epoch_mean.targets -= flags.targets
        self.log_mean.targets -= flags.targets
        self._say(f"step {flags.step} is left out, {state.skipped_steps} of at most {may}: its gradient is not finite")

    def _after_step(self, bar: ProgressBar, steps_of_epoch: int) -> None:
        """Log, evaluate, save, end: what is due after a step."""
        state = self.state
        logs = state.step % self.training.log_every == 0
        self.callbacks.step_end()
        evaluates = self._evaluation_is_due(steps_of_epoch)
        saves = evaluates or bool(self.training.save_every and state.step % self.training.save_every == 0)
        if logs or saves or self._told_to_end:
            self._look_at(self.flags.last())
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
        is_last = self.state.position == steps_of_epoch or self.state.stop_requested
        return is_last or bool(every and self.state.step % every == 0)

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
        self.callbacks.evaluated(evaluated.values)
        return True

    def _is_over(self) -> bool:
        return self.state.stop_requested or self._out_of_patience()

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

    def _log(self, values: dict[str, float]) -> None:
        if self.accelerator.is_main_process:
            self.run.folder.log({"step": self.state.step, "epoch": self.state.epoch + 1} | values)
            self.accelerator.log(values, step=self.state.step)
        self.callbacks.logged(values)

    def _tell_epoch(self, train_loss: float) -> None:
        self._log({"epoch_train_loss": train_loss})
        dev = "  ".join(f"{name} {format_score(name, value)}" for name, value in self.state.dev.items())
        self._say(f"epoch {self.state.epoch + 1}/{self.epochs}  train loss {train_loss:.4f}  |  dev  {dev}")

    def _say(self, text: str) -> None:
        if self.accelerator.is_main_process:
            say(text)


def fit(run: Run) -> Loop:
    """Train the run's model; its best checkpoint is in the run folder, which is unlocked where training fails."""
    with run.lock.released_on_error():
        loop = Loop(run)
        loop.train()
        return loop
