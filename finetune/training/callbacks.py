"""Callbacks: code of the user that a run calls after each step, evaluation and checkpoint, and at both ends.

    class Patience(finetune.Callback):
        def on_evaluate(self, scores, state):
            return finetune.STOP if scores["loss"] > 2 * state.best_loss else None

The names are those of transformers' `TrainerCallback` and `TrainerState`. The methods are called on the main process
alone; where there are several processes, the others wait for them and stop with it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from accelerate.utils import broadcast_object_list
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune.errors import UserError

if TYPE_CHECKING:
    from finetune.training.loop import Loop

Method = Callable[["Callback", "TrainerState"], Any]
"""Calls one method of a callback."""


class Request(Enum):
    """What a callback may request by its return value."""

    STOP = "stop"


STOP: Final = Request.STOP
"""The value that `Callback.on_step_end` or `Callback.on_evaluate` returns to end the training after this step.

The model is then evaluated on dev, unless it was at this step, and saved. The run ends as usual: the best checkpoint is
evaluated on test."""


@dataclass(frozen=True)
class TrainerState:
    """The state of the training when a callback is called.

    Args:
        global_step: Optimizer steps done, over all epochs.
        max_steps: Optimizer steps of the whole run.
        epoch: Epochs done, with the part of the current one: 1.5 in the middle of the second epoch.
        num_train_epochs: Epochs of the whole run.
        learning_rate: Learning rate of the next step, of the first group of parameters.
        best_metric: Best value so far of the dev metric that chooses the best checkpoint; None before the first
            evaluation.
        best_loss: Dev loss of the best checkpoint, in nats a target; None before the first evaluation.
        best_global_step: Step of the best checkpoint; 0 before the first evaluation.
        metric_for_best_model: Name of the dev metric that chooses the best checkpoint.
        scores: All dev scores of the last evaluation by name, `loss` among them; empty before the first.
        output_dir: The run's folder.
        model: The model in training, without accelerate's wrapping. Do not change its weights.
        tokenizer: The tokenizer of the model.
    """

    global_step: int
    max_steps: int
    epoch: float
    num_train_epochs: int
    learning_rate: float
    best_metric: float | None
    best_loss: float | None
    best_global_step: int
    metric_for_best_model: str
    scores: Mapping[str, float]
    output_dir: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


class Callback:
    """Base class of callbacks; override the methods that you need.

    `on_step_end` and `on_evaluate` may return `finetune.STOP` to end the training. An exception that a method raises
    ends the run at once and reaches the caller of `finetune.train`; checkpoints that were saved before are kept, and
    the run can be resumed from the last one. A method may put the model into evaluation mode; training mode is restored
    after it.
    """

    def on_train_begin(self, state: TrainerState) -> None:
        """React to the beginning: before the first step, or before the first step after resuming."""

    def on_step_end(self, state: TrainerState) -> Request | None:
        """React to the end of an optimizer step."""
        return None

    def on_log(self, logs: Mapping[str, float], state: TrainerState) -> None:
        """React to an entry of metrics.jsonl: `train_loss` and `learning_rate`, `dev_...`, `epoch_train_loss`."""

    def on_evaluate(self, scores: Mapping[str, float], state: TrainerState) -> Request | None:
        """React to an evaluation on dev; its scores are given by name, with `loss` in nats per target among them."""
        return None

    def on_save(self, folder: Path, state: TrainerState) -> None:
        """React to a saved checkpoint; `from_pretrained` can load the model from `folder`."""

    def on_train_end(self, state: TrainerState) -> None:
        """React to the end: after the last step, before the best checkpoint is evaluated on test."""


def check_callbacks(callbacks: object) -> tuple[Callback, ...]:
    """Return the callbacks as a tuple.

    Raises:
        UserError: They are not in a list or another iterable, or one of them is not an instance of `Callback`.
    """
    if not isinstance(callbacks, Iterable) or isinstance(callbacks, str):
        is_one = isinstance(callbacks, Callback)
        raise UserError(
            "the callbacks are not a list",
            where="callbacks",
            expected="callbacks=[...]",
            found=type(callbacks).__name__ if is_one else f"{type(callbacks).__name__}: {callbacks!r:.80}",
            fix="put the callback in a list: callbacks=[...]" if is_one else None,
        )
    given = tuple(callbacks)
    for one in given:
        if not isinstance(one, Callback):
            is_class = isinstance(one, type) and issubclass(one, Callback)
            raise UserError(
                "a callback is not an instance of finetune.Callback",
                where="callbacks",
                expected="objects of classes derived from finetune.Callback",
                found=f"the class {one.__name__}" if isinstance(one, type) else repr(one),
                fix=f"callbacks=[{one.__name__}()]" if is_class and isinstance(one, type) else None,
            )
    return tuple(one for one in given if isinstance(one, Callback))


def named(callbacks: Sequence[Callback]) -> dict[str, list[str]]:
    """Return the names of the callbacks' classes, for the run's environment.json: a recipe cannot hold callbacks."""
    names = [f"{type(one).__module__}.{type(one).__qualname__}" for one in callbacks]
    return {"callbacks": names} if names else {}


class Callbacks:
    """The callbacks of a run. Each method is to be called by all processes.

    Args:
        loop: The loop that calls them.
    """

    def __init__(self, loop: "Loop") -> None:
        self.loop = loop
        self.callbacks = loop.run.callbacks

    def train_begin(self) -> None:
        """Call `on_train_begin`."""
        self._call(lambda one, state: one.on_train_begin(state))

    def step_end(self) -> None:
        """Call `on_step_end`."""
        self._call(lambda one, state: one.on_step_end(state), may_stop=True)

    def logged(self, logs: Mapping[str, float]) -> None:
        """Call `on_log`."""
        self._call(lambda one, state: one.on_log(logs, state))

    def evaluated(self, scores: Mapping[str, float]) -> None:
        """Call `on_evaluate`."""
        self._call(lambda one, state: one.on_evaluate(scores, state), may_stop=True)

    def saved(self, folder: Path) -> None:
        """Call `on_save`."""
        self._call(lambda one, state: one.on_save(folder, state))

    def train_end(self) -> None:
        """Call `on_train_end`."""
        self._call(lambda one, state: one.on_train_end(state))

    def _call(self, method: Method, *, may_stop: bool = False) -> None:
        """Call a method of every callback on the main process; the other processes then stop or fail with it."""
        if not self.callbacks:
            return
        accelerator, error, stops = self.loop.accelerator, None, False
        if accelerator.is_main_process:
            try:
                stops = self._call_each(method, may_stop=may_stop)
            except Exception as raised:
                error = raised
        if accelerator.num_processes > 1:
            shared = [(stops, error is not None)]
            broadcast_object_list(shared)
            stops, has_failed = shared[0]
            if has_failed and error is None:
                raise RuntimeError("a callback has failed on the main process")
        if error is not None:
            error.add_note(self._how_to_resume())
            raise error
        self.loop.state.stop_requested |= stops

    def _call_each(self, method: Method, *, may_stop: bool) -> bool:
        """Call a method of every callback; return whether one of them requests the end of the training."""
        state, stops = training_state(self.loop), False
        was_training = state.model.training
        for one in self.callbacks:
            answer = method(one, state)
            if answer is not None and not (may_stop and answer is STOP):
                raise UserError(
                    f"a method of the callback {type(one).__name__} returns something unknown",
                    where="callbacks",
                    expected="None, or finetune.STOP from on_step_end and on_evaluate",
                    found=repr(answer),
                )
            stops |= answer is STOP
        if state.model.training != was_training:
            self.loop.model.train(was_training)
        return stops

    def _how_to_resume(self) -> str:
        folder = self.loop.run.folder
        saved = sorted(path.name for path in folder.checkpoints.glob("step-*") if path.is_dir())
        if not saved:
            return f"raised in a callback; nothing was saved yet in {folder.path}"
        resume = f'finetune.train(overrides={{"resume": "{folder.path}"}}, callbacks=...)'
        return f"raised in a callback; the last checkpoint, {saved[-1]}, is kept; to resume from it: {resume}"


def training_state(loop: "Loop") -> TrainerState:
    """Return the state of a loop's training, as callbacks receive it."""
    state = loop.state
    return TrainerState(
        global_step=state.step,
        max_steps=state.total_steps,
        epoch=state.epoch + state.position / loop.steps_per_epoch,
        num_train_epochs=loop.epochs,
        learning_rate=loop.learning_rate,
        best_metric=state.best_value,
        best_loss=state.best_loss,
        best_global_step=state.best_step,
        metric_for_best_model=loop.run.best_metric,
        scores=dict(state.dev),
        output_dir=loop.run.folder.path,
        model=loop.unwrapped,
        tokenizer=loop.run.context.tokenizer,
    )
