"""The training loop: micro-batches in, optimizer steps out."""

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
from finetune.checkpointing.resume import saying_how_to_resume
from finetune.checkpointing.state import TrainingState
from finetune.data.batches import Indices
from finetune.hardware.compiling import compile_model, compiling
from finetune.hardware.dropout import fast_dropout
from finetune.hardware.memory import recompute_activations
from finetune.hardware.sharding import keep_buffers, set_up_deepspeed
from finetune.progress import ProgressBar
from finetune.training.averaging import build_averaging
from finetune.training.callbacks import Callbacks
from finetune.training.gradient import Gradients
from finetune.training.interrupt import Signals
from finetune.training.micro_batches import MicroBatch, StepPlan, micro_batches, plan_steps
from finetune.training.monitor import Monitor
from finetune.training.nonfinite import StepFlags, guarded_step
from finetune.training.optimizer import build_optimizer, build_schedule
from finetune.training.run import Run
from finetune.training.saving import restore
from finetune.training.splitting import Splitting
from finetune.training.timing import Timing


class Loop:
    """Trains the model of a run.

    The loss of a step is the sum of the losses of its targets divided by their number, over all micro-batches and all
    processes. So gradient accumulation and the number of processes change the time that a step takes, and nothing else.

    Args:
        run: The run, as `prepare` returns it. Training continues after the newest checkpoint where the run is resumed.

    Raises:
        UserError: The checkpoint cannot be read, or belongs to other data or another number of processes; the optimizer
            or the average of the weights is not possible here.
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
        self.signals = Signals()
        self.timing = Timing()
        self.callbacks = Callbacks(self)
        self.monitor = Monitor(self)
        if run.resumed:
            restore(self)

    def _set_up_model(self, model: PreTrainedModel) -> None:
        if self.training.gradient_checkpointing:
            recompute_activations(model)
        if self.training.compile:
            compile_model(model, ragged=self.run.context.ragged)

    def train(self) -> None:
        """Train to the last step, or until patience runs out or a callback ends the training.

        Raises:
            Interrupted: The process received SIGTERM or Ctrl-C; a checkpoint is saved.
            UserError: A loss or a gradient was not finite, or memory or the disk does not suffice.
        """
        self.model.train()
        state = self.state
        bar = ProgressBar("training", state.total_steps - state.step, enabled=self.accelerator.is_main_process)
        with (
            enough_room(self.run.folder.path),
            bar,
            compiling(self.training.compile),
            self.computing(),
            self.signals.noted(),
        ):
            self.timing.begin()
            self.callbacks.train_begin()
            while True:
                self._train_epoch(bar)
                if self._is_over():
                    self._say_why_it_ends()
                    break
                if state.step >= state.total_steps:
                    break
                state.epoch, state.position = state.epoch + 1, 0
                self.monitor.begin_epoch()
            self.callbacks.train_end()

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Compute the steps inside this block in the ways that are fastest on this machine.

        With `training.cpu_tuning=false` they are computed as torch does by itself.
        """
        dropout = fast_dropout(self.model, enabled=self.training.cpu_tuning)
        with self.run.tuned(), dropout, self.gradients.embeddings.gathered():
            yield

    def _train_epoch(self, bar: ProgressBar) -> None:
        """Take the steps of the current epoch that are still to be taken."""
        state = self.state
        # The last epoch is cut short where training.steps ends within it.
        plan = plan_steps(self.run, state.epoch)[: state.total_steps - (state.step - state.position)]
        self.monitor.catch_up(bar, len(plan))
        while state.position < len(plan) and not self._is_over():
            with closing(self.micro_batches(plan[state.position :])) as prepared:
                for step in plan[state.position :]:
                    if not self.take_step(step, prepared):
                        break  # memory did not suffice: the micro-batches are made anew, smaller ones
                    tokens = int(self.plan.lengths[step.window.all].sum())
                    self.timing.add_tokens(tokens)
                    bar.advance(tokens, note=self.monitor.progress_note())
                    self.monitor.after_step(bar, len(plan))
                    if self._is_over():
                        break
        self.monitor.end_epoch()

    def micro_batches(self, steps: Sequence[StepPlan]) -> Generator[MicroBatch]:
        """Yield this process's micro-batches of consecutive steps, in parts as small as memory has required so far.

        Args:
            steps: The steps.

        Returns:
            A generator, which the caller closes if it does not use it up.
        """
        return micro_batches(self.run, steps, self.state.parts)

    def step(self, micro_batches: Iterator[MicroBatch], targets: int) -> StepFlags:
        """Take one optimizer step.

        Args:
            micro_batches: This process's micro-batches of the step; the processes exchange gradients in the last one.
            targets: Number of targets of the step over all processes, by which the loss is divided.

        Returns:
            The losses, and whether they and the gradient are finite.
        """
        losses, indices = list[Tensor](), list[Indices]()
        loss = torch.zeros((), device=self.accelerator.device)  # of this process, summed over its targets
        # Forward and backward: the micro-batches' gradients add up to that of the step's mean loss, because the loss of
        # each is summed over its targets and divided by the number of targets of the step.
        for micro_batch in self.timing.waiting(micro_batches, "data"):
            losses.append(self.gradients.forward_backward(micro_batch, targets))  # scalar, summed over targets
            loss += losses[-1] * micro_batch.weight
            indices.append(micro_batch.indices)
        # Clip: a gradient longer than max_grad_norm is scaled down, at once or within the optimizer's step.
        clipped = self.gradients.clip(self.training.max_grad_norm, self.optimizer)
        # Optimizer step: all processes skip it where the loss or the gradient of one of them is not finite.
        ends = self.signals.received is not None
        flags = guarded_step(self.accelerator, self.optimizer, loss, clipped, must_end=ends)
        # Schedule step: the learning rate follows every step except those that fp16's gradient scaling skipped.
        if not self._overflowed():
            self.schedule.step()
        # zero_grad: the next step begins without a gradient.
        self.optimizer.zero_grad()
        self.gradients.clear()
        self.state.step += 1
        self.state.position += 1
        return StepFlags(self.state.step, losses, indices, loss, targets, flags, self.accelerator.num_processes)

    def take_step(self, plan: StepPlan, prepared: Iterator[MicroBatch]) -> bool:
        """Take one optimizer step; handle a lack of memory, and losses and gradients that are not finite.

        Args:
            plan: The step.
            prepared: Yields the micro-batches of this step and of those after it.

        Returns:
            Whether the step was taken. Where memory did not suffice it was not, and the caller makes the micro-batches
            anew, which are smaller then.

        Raises:
            UserError: Memory does not suffice for a single example, or the loss or the gradient was not finite.
        """
        flags = self.splitting.attempt(partial(self.step, targets=plan.targets), plan, prepared)
        if flags is None:
            return False
        self.state.overflows = self.state.overflows + 1 if self._overflowed() else 0
        self.monitor.add(flags)
        return True

    def _overflowed(self) -> bool:
        """Return whether fp16's gradient scaling has skipped the last step."""
        return self.optimizer.scaler is not None and self.accelerator.optimizer_step_was_skipped

    def _is_over(self) -> bool:
        return self.state.stop_requested or self._is_out_of_patience()

    def _is_out_of_patience(self) -> bool:
        return self.training.patience is not None and self.state.evaluations_without_gain >= self.training.patience

    def _say_why_it_ends(self) -> None:
        if self.state.stop_requested:
            self.monitor.say(f"stopped by a callback after step {self.state.step} of {self.state.total_steps}")
        else:
            self.monitor.say(f"no better {self.run.best_metric} for {self.training.patience} evaluations: stopped")

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step, of the first group of parameters."""
        return float(self.schedule.get_last_lr()[0])

    @property
    def unwrapped(self) -> PreTrainedModel:
        """The model without accelerate's wrapping."""
        model: PreTrainedModel = self.accelerator.unwrap_model(self.model)
        return model

    @property
    def best_checkpoint(self) -> Path:
        """Folder of the checkpoint with the best dev score so far."""
        return self.run.folder.checkpoints / step_name(self.state.best_step)


def fit(run: Run) -> Loop:
    """Train the model of a run; its best checkpoint is then in the run folder.

    The run folder is unlocked if training fails.

    Args:
        run: The run, as `prepare` returns it.

    Returns:
        The loop at its end.

    Raises:
        Interrupted: The process received SIGTERM or Ctrl-C; a checkpoint is saved.
        UserError: A loss or a gradient was not finite, or memory or the disk does not suffice.
    """
    how_to_resume = saying_how_to_resume(run.recipe, run.folder, run.accelerator.num_processes)
    with run.lock.released_on_error(), how_to_resume:
        loop = Loop(run)
        loop.train()
        return loop
