"""What is due between optimizer steps: logging, evaluating on dev, saving checkpoints, and ending the training."""

import contextlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from finetune.checkpointing.resume import command
from finetune.checkpointing.state import MeanLoss
from finetune.errors import Interrupted
from finetune.progress import ProgressBar, format_score, say
from finetune.training.evaluation import evaluate
from finetune.training.interrupt import StopNow
from finetune.training.nonfinite import MOST_OVERFLOWS, StepFlags, StepFlagsQueue, nonfinite_error
from finetune.training.saving import save
from finetune.training.selection import update_best

if TYPE_CHECKING:
    from finetune.training.loop import Loop


class Monitor:
    """Watches the training of a loop. Each method is to be called by all processes.

    Args:
        loop: The loop whose state is read and changed.
    """

    def __init__(self, loop: "Loop") -> None:
        self.loop = loop
        self.run = loop.run
        self.training = loop.training
        self.accelerator = loop.accelerator
        self.state = loop.state
        self.epoch_mean, self.log_mean = self._new_mean(), self._new_mean()
        self._flags = StepFlagsQueue()
        self._step_loss: float | None = None
        self._must_end = False
        """Whether a process has received a signal to end."""

    def begin_epoch(self) -> None:
        """Start the means of the training loss anew."""
        self.epoch_mean, self.log_mean = self._new_mean(), self._new_mean()

    def add(self, flags: StepFlags) -> None:
        """Add the loss of a step to the means, and check the flags of the last step that can be read.

        Args:
            flags: What `Loop.step` returned.

        Raises:
            UserError: The loss or the gradient was not finite, and `training.on_nonfinite` does not skip the step.
        """
        loss = flags.finite_loss
        self.epoch_mean.add(loss, flags.targets)
        self.log_mean.add(loss, flags.targets)
        self._check(self._flags.put(flags))

    def _check(self, flags: StepFlags | None) -> None:
        """Count a step whose loss or gradient was not finite as skipped, or end the run because of it."""
        if flags is None:
            return
        self._must_end = flags.is_last
        self._step_loss = flags.mean_loss
        if flags.is_finite and self.state.overflows <= MOST_OVERFLOWS:
            return
        state, limit = self.state, self.training.max_left_out if self.training.on_nonfinite == "skip" else 0
        if flags.is_finite or state.skipped_steps >= limit:
            raise nonfinite_error(self.run, flags, state.skipped_steps)
        state.skipped_steps += 1
        self.epoch_mean.targets -= flags.targets
        self.log_mean.targets -= flags.targets
        self.say(f"step {flags.step} is skipped, {state.skipped_steps} of at most {limit}: its gradient is not finite")

    def after_step(self, bar: ProgressBar, steps_of_epoch: int) -> None:
        """Log, evaluate and save where this is due, and end the run where a process received a signal.

        Args:
            bar: The progress bar of the training; it is paused during an evaluation.
            steps_of_epoch: Number of optimizer steps of the current epoch.

        Raises:
            Interrupted: A process received a signal; a checkpoint is saved.
            UserError: The loss or the gradient of a step was not finite, or the disk is full.
        """
        state = self.state
        logs = state.step % self.training.log_every == 0
        self.loop.callbacks.step_end()
        evaluates = self.evaluation_is_due(steps_of_epoch)
        saves = evaluates or bool(self.training.save_every and state.step % self.training.save_every == 0)
        if logs or saves or self._must_end:
            self._check(self._flags.last())
        if logs:
            self._log({"train_loss": self._reduce(self.log_mean), "learning_rate": self.loop.learning_rate})
            self.log_mean = self._new_mean()
            self._log_times()
        ends = self._must_end
        if evaluates and not ends:
            ends = not self._evaluate(bar)
        if saves or ends:
            self._save()
        if ends:
            self._end()

    def catch_up(self, bar: ProgressBar, steps_of_epoch: int) -> None:
        """Evaluate and save where this was due when a signal ended the run."""
        state = self.state
        if state.step and self.evaluation_is_due(steps_of_epoch) and state.last_evaluated != state.step:
            self._evaluate(bar)
            self._save()

    def end_epoch(self) -> None:
        """Log the mean training loss of the epoch, and show it beside the last dev loss and the score that chooses."""
        train_loss = self._reduce(self.epoch_mean)
        self._log({"epoch_train_loss": train_loss})
        self._log_times()
        # The others are in metrics.jsonl: a line of all of them is too long to be read.
        names = [name for name in dict.fromkeys(("loss", self.run.best_metric)) if name in self.state.dev]
        dev = "  ".join(f"{name} {format_score(name, self.state.dev[name])}" for name in names)
        self.say(f"epoch {self.state.epoch + 1}/{self.loop.epochs}  train loss {train_loss:.4f}  |  dev  {dev}")

    def progress_note(self) -> str:
        """Return what is shown beside the progress bar: the epoch, and the loss of the last step that can be read."""
        loss = "" if self._step_loss is None else f" loss {self._step_loss:.4f}"
        return f"epoch {self.state.epoch + 1}/{self.loop.epochs}{loss}"

    def say(self, text: str) -> None:
        """Show a message once, whatever the number of processes."""
        if self.accelerator.is_main_process:
            say(text)

    def evaluation_is_due(self, steps_of_epoch: int) -> bool:
        """Return whether the model is evaluated after the last step: at the end of an epoch, and every `eval_every`."""
        every = self.training.eval_every
        is_last = self.state.position == steps_of_epoch or self.state.stop_requested
        return is_last or bool(every and self.state.step % every == 0)

    def _evaluate(self, bar: ProgressBar) -> bool:
        """Score the model on dev and update the best checkpoint; return False where a signal interrupted it."""
        state, loop = self.state, self.loop
        # A single process leaves its evaluation at once. Several processes must end together, at the next step.
        leaves = loop.signals.at_once() if self.accelerator.num_processes == 1 else contextlib.nullcontext()
        try:
            with loop.timing.measured("evaluation"), loop.averaging.applied(), bar.paused(), leaves:
                evaluated = evaluate(self.run, loop.unwrapped, "dev")
        except StopNow:
            return False
        state.last_evaluated = state.step
        state.dev = evaluated.values
        self._log({f"dev_{name}": value for name, value in evaluated.values.items()})
        update_best(state, evaluated.values, self.run.best_metric, greater_is_better=self.run.greater_is_better)
        loop.callbacks.evaluated(evaluated.values)
        return True

    def _end(self) -> None:
        """End the run where it stands.

        Raises:
            Interrupted: Always.
        """
        number = torch.tensor([self.loop.signals.received or 0], device=self.accelerator.device)
        received = self.accelerator.gather(number)  # int64 [processes], 0 where a process received no signal
        # Some launchers turn Ctrl-C (SIGINT, 2) into SIGTERM (15) for a part of the processes: SIGINT is reported then.
        first = min(int(one) for one in received if one)
        self.say(f"saved at step {self.state.step}: {self.run.folder.path}")
        raise Interrupted(first, command(self.run.recipe, self.run.folder.path, self.accelerator.num_processes))

    def _log(self, values: dict[str, float]) -> None:
        if self.accelerator.is_main_process:
            self.run.folder.log({"step": self.state.step, "epoch": self.state.epoch + 1} | values)
            self.accelerator.log(values, step=self.state.step)
        self.loop.callbacks.logged(values)

    def _log_times(self) -> None:
        """Write where the time went since the last call, and send it to the trackers."""
        times = self.loop.timing.take()
        if self.accelerator.is_main_process:
            self.run.folder.log_times({"step": self.state.step, "epoch": self.state.epoch + 1} | times)
            self.accelerator.log(times, step=self.state.step)

    def _save(self) -> None:
        with self.loop.timing.measured("checkpoint"):
            save(self.loop)

    def _new_mean(self) -> MeanLoss:
        return MeanLoss(torch.zeros((), device=self.accelerator.device))

    def _reduce(self, mean: MeanLoss) -> float:
        """Return a mean over the targets of all processes, in nats."""
        total: Tensor = self.accelerator.reduce(mean.total, reduction="sum")
        return total.item() / max(mean.targets, 1)
